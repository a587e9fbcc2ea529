"""`python -m polyfleet.local up|down|status|build`."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from polyfleet.api.app import DOCUMENTS
from polyfleet.local.cluster import program_folder
from polyfleet.local.control_plane import ControlPlane
from polyfleet.local.down import down as take_down
from polyfleet.local.errors import LocalError
from polyfleet.local.node import import_image, node_processes
from polyfleet.local.node_cluster import node_directory
from polyfleet.local.node_requirements import node_tools
from polyfleet.local.processes import is_running
from polyfleet.local.product_image import REFERENCE, product_image
from polyfleet.local.programs import (
    build_control_plane,
    build_helm,
    build_node,
    build_object_storage,
)
from polyfleet.local.up import Plan, Running
from polyfleet.local.up import up as bring_up

application = typer.Typer(
    no_args_is_help=True, help="A whole fleet on this machine: Kubernetes, operator, facade."
)
_console = Console()


@application.command()
def up(
    *,
    restart: Annotated[bool, typer.Option(help="Start operator and facade anew.")] = False,
    node: Annotated[
        bool, typer.Option(help="Have a node that runs pods, where this machine can.")
    ] = True,
) -> None:
    """Bring up everything; keep what runs, start what died."""
    plan = Plan() if node else Plan(environment={**os.environ, "POLYFLEET_NODE": "no"})
    running = bring_up(plan, restart=restart)
    _say_how_to_go_on(running)


@application.command()
def down() -> None:
    """Stop everything and remove its data."""
    _print("All gone." if take_down(Plan()) else "There is nothing to stop.")


@application.command()
def status(
    *,
    words_only: Annotated[
        bool, typer.Option("--words-only", help="Say in words only whether all run.")
    ] = False,
) -> None:
    """Show which processes run; exit status 1 if one does not."""
    plan = Plan()
    cluster = ControlPlane(plan.directory / "cluster", plan.directory)
    state = plan.state()
    nodes = node_processes(node_directory(cluster.directory))
    processes = {**cluster.processes, **nodes, **state.processes}
    if not processes:
        _print("Nothing was started here; `make up` does.")
        raise typer.Exit(0 if words_only else 1)
    running = {name: is_running(record) for name, record in processes.items()}
    for name, record in processes.items():
        folder = plan.directory
        if name in cluster.processes:
            folder = cluster.directory
        elif name in nodes:
            folder = node_directory(cluster.directory)
        word = "running" if running[name] else "stopped"
        _print(f"{name:<24} {word} {record.pid:>8}  {folder / f'{name}.log'}")
    if all(running.values()):
        return
    _print("Not all of it runs; `make up` starts what is missing and keeps the data.")
    raise typer.Exit(0 if words_only else 1)


@application.command()
def build() -> None:
    """Build all programs into the cache, the node's too where this machine can run one."""
    program_folder(os.environ, controller_manager=True)
    build_object_storage()
    build_helm()
    tools = node_tools(os.environ)
    if isinstance(tools, str):
        _print(f"No programs of a node: {tools}.")
        return
    build_control_plane(controller_manager=True)
    build_node()


@application.command()
def image(
    tag: Annotated[str, typer.Option(help="The image is docker.io/local/polyfleet:TAG.")] = "local",
) -> None:
    """Build Polyfleet's image without Docker, and give it to the node if there is one."""
    file = product_image(tag)
    _print(f"{REFERENCE}:{tag} is in {file}")
    directory = _node_directory()
    if node_processes(directory):
        import_image(directory, file)
        _print("The node has it.")


@application.command()
def load(file: Annotated[Path, typer.Argument(exists=True, dir_okay=False)]) -> None:
    """Give the node an image from a tar file, as `docker save` writes it."""
    directory = _node_directory()
    if not node_processes(directory):
        raise LocalError("there is no node here; `make up` starts one, where this machine can")
    import_image(directory, file.resolve())


def main() -> None:
    """Run a command; a failure that we can explain is a message, not a trace."""
    try:
        application()
    except LocalError as error:
        Console(stderr=True).print(str(error), style="red", markup=False, highlight=False)
        raise SystemExit(1) from error


def _say_how_to_go_on(running: Running) -> None:
    if running.kept:
        _print(f"Already running, kept: {', '.join(running.kept)}")
    if running.without_node:
        _print(f"No pod runs here, so applications are not deployed: {running.without_node}.")
    programs = Path(sys.executable).parent
    documents = "\n".join(f"  {running.url}{path}  {name}" for name, path in DOCUMENTS.items())
    _print(f"""
Polyfleet answers at {running.url}

Load its address, the administrator and a KUBECONFIG into your shell:
  . {running.environment_file}

Then try:
  {programs / "kubectl"} get devices,devicegroups,packages,rollouts
  {programs / "polyfleet"} explain gateway-1
  curl -H "Authorization: Bearer $POLYFLEET_ADMIN_TOKEN" $POLYFLEET_URL/api/v2/devices

The routes, as OpenAPI documents:
{documents}

make down stops it all.""")


def _node_directory() -> Path:
    return node_directory(Plan().directory / "cluster")


def _print(text: str) -> None:
    _console.print(text, markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main()
