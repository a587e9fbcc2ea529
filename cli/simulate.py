"""`polyfleet simulate`: a fleet of devices that are none, against a real facade."""

import json
import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from polyfleet.cli.cluster import Namespace, fail, run
from polyfleet.cli.endpoints import register_endpoints
from polyfleet.cli.facade import DEFAULT_URL, Url, checked_address
from polyfleet.cli.terminal import printable
from polyfleet.simulator.faults import parse_rates
from polyfleet.simulator.keys import kept_pool, primes_for
from polyfleet.simulator.people import Refused
from polyfleet.simulator.report import document, tables
from polyfleet.simulator.simulation import Outcome, Plan, simulate
from polyfleet.simulator.wire import is_loopback

NOT_CONVERGED = 4


class SimulatedDialect(StrEnum):
    """The dialects that devices can speak."""

    RDFM = "rdfm"
    INVENTORY = "inventory"
    DROGUE = "drogue"
    OTAO = "otao"


def command(
    context: typer.Context,
    *,
    devices: Annotated[int, typer.Option(min=1, max=100_000, help="How many devices.")] = 100,
    seed: Annotated[int, typer.Option(help="What the devices and their faults come of.")] = 1,
    dialect: Annotated[
        list[SimulatedDialect] | None,
        typer.Option(help="What the devices speak; several are dealt out in turn."),
    ] = None,
    faults: Annotated[
        str,
        typer.Option(
            help="Shares of devices: offline=, slow=, lying=, failing=, dying=, flapping=, "
            "repeating=; such as slow=0.1,dying=0.05."
        ),
    ] = "",
    until_version: Annotated[
        str | None,
        typer.Option(help="End when all who can run this version, and have said so."),
    ] = None,
    duration: Annotated[
        float, typer.Option(min=1, help="End after this many seconds at the latest.")
    ] = 60.0,
    interval: Annotated[
        float, typer.Option(min=0.05, help="How often a device asks, in seconds.")
    ] = 1.0,
    rate: Annotated[float, typer.Option(min=1, help="Requests a second, at most.")] = 500.0,
    concurrency: Annotated[int, typer.Option(min=1, max=1000, help="Requests at once.")] = 64,
    websockets: Annotated[
        float, typer.Option(min=0, max=1, help="Share of RDFM devices that hold a WebSocket.")
    ] = 0.1,
    download: Annotated[
        bool, typer.Option("--download/--no-download", help="Fetch the files of offers.")
    ] = True,
    device_type: Annotated[str, typer.Option(help="The devices' type.")] = "simulated",
    version: Annotated[str, typer.Option(help="What the devices run at first.")] = "v1.0.0",
    group: Annotated[str | None, typer.Option(help="Put the devices into this group, too.")] = None,
    application: Annotated[
        str, typer.Option(help="Application of the devices of Drogue Cloud.")
    ] = "simulated",
    namespace: Namespace = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Simulate a fleet of devices, with faults, and tell how it went.

    An access token from POLYFLEET_ADMIN_TOKEN lets the devices in, registers those of Drogue
    Cloud and sends them commands; without it somebody else must. Devices of Kaa are made through
    the API server, with the caller's kubeconfig. Ends with 4 if the fleet did not
    come to --until-version in time. Another machine than this one is spoken to only if --url
    names it.
    """
    url = checked_address(url)
    source = context.get_parameter_source("url")
    named = source is not None and source.name == "COMMANDLINE"
    if not named and not is_loopback(url):
        fail(f"{url} is another machine; name it by --url if that is meant")
    try:
        plan = Plan(
            url=url,
            devices=devices,
            seed=seed,
            dialects=tuple(item.value for item in dialect or [SimulatedDialect.RDFM]),
            faults=parse_rates(faults),
            until_version=until_version,
            duration=duration,
            interval=interval,
            rate=rate,
            concurrency=concurrency,
            sockets=websockets,
            downloads=download,
            device_type=device_type,
            version=version,
            application=application,
            group=group,
            token=os.environ.get("POLYFLEET_ADMIN_TOKEN") or None,
        )
        if SimulatedDialect.DROGUE in plan.dialects and plan.token is None:
            fail("devices of Drogue Cloud must be registered: set POLYFLEET_ADMIN_TOKEN")
        if SimulatedDialect.OTAO in plan.dialects:
            run(lambda: register_endpoints(plan, namespace))
        outcome = _run(plan)
    except ValueError as error:
        fail(str(error))
    except Refused as error:
        fail(f"the fleet cannot be simulated: {error}")
    if as_json:
        typer.echo(json.dumps(document(outcome), indent=1))
    else:
        Console(soft_wrap=True).print(tables(outcome, printable), markup=False)
    if outcome.converged is False:
        raise typer.Exit(NOT_CONVERGED)


def _run(plan: Plan) -> Outcome:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        wanted = primes_for(plan.devices)
        task = progress.add_task("keys", total=wanted)
        keys = kept_pool(_cache(), plan.devices, lambda n: progress.update(task, completed=n))
        progress.update(task, completed=wanted)
        what = f"run {plan.until_version}" if plan.until_version else "are let in"
        shown = progress.add_task(f"devices that {what}", total=plan.devices)
        return simulate(
            plan,
            keys,
            lambda done, total: progress.update(shown, completed=done, total=total),
        )


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "polyfleet" / "simulator" / "keys.json"
