"""`polyfleet rollout`: see how far a rollout is and who is next, and let it go on or stop."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.console import Console
from rich.table import Table

from polyfleet.cli.cluster import Namespace, fail, open_client, run
from polyfleet.cli.explain import Output
from polyfleet.cli.facade import DEFAULT_URL, Url, get
from polyfleet.cli.terminal import say
from polyfleet.fleet.instants import timestamp
from polyfleet.fleet.objects.kinds import ROLLOUTS
from polyfleet.fleet.objects.rollout import Rollout
from polyfleet.fleet.rollout.plan import plan_digest
from polyfleet.kube.writer import Writer

commands = typer.Typer(no_args_is_help=True, help="Rollouts: packages on their way to devices.")

Name = Annotated[str, typer.Argument(help="The Rollout object's name.")]


@commands.command()
def plan(
    name: Name,
    *,
    output: Annotated[Output, typer.Option(help="How to write the answer.")] = Output.TEXT,
    url: Url = DEFAULT_URL,
) -> None:
    """Show all steps, and whom the next one would come to; nothing is written.

    Asks the facade, with the access token of POLYFLEET_ADMIN_TOKEN. Of a rollout that is paused
    from birth it shows what it would do.
    """
    answer = get(url, f"/polyfleet/v1/rollouts/{quote(name, safe='')}/plan")
    if output is Output.JSON:
        typer.echo(json.dumps(answer, indent=2))
        return
    counts = answer["counts"]
    say(
        f"{name} brings {answer['package']} ({answer['version']}) to {counts['total']} devices: "
        f"{counts['updated']} run it, {counts['failed']} failed"
    )
    waits = f"; {answer['waits']}" if answer["waits"] else ""
    say(f"plan {answer['digest'][:8]}, {answer['state'].lower()}{waits}")
    table = Table("STEP", "OPEN", "POPULATION", "REACHES", "FRONTIER", box=None)
    for step in answer["steps"]:
        numbers = (str(step["population"]), str(step["reaches"]), f"{step['frontier']:.4f}")
        table.add_row(str(step["number"]), "yes" if step["open"] else "no", *numbers)
    Console(soft_wrap=True).print(table)
    if answer["nextCount"]:
        devices = "1 device" if answer["nextCount"] == 1 else f"{answer['nextCount']} devices"
        say(f"the next step adds {devices}, first of all:")
        for device in answer["nextDevices"]:
            say(f"  {device['id']} at {device['position']:.4f}")


@commands.command()
def status(name: Name, namespace: Namespace = None) -> None:
    """Show what the operator says of a rollout."""

    async def work() -> Rollout:
        async with open_client(namespace) as client:
            return await client.get(ROLLOUTS, name)

    found = run(work).status
    counts = found.counts
    say(
        f"step {found.step or '0/0'}: {counts.total} devices, {counts.reached} reached, "
        f"{counts.offered} offered, {counts.updated} updated, {counts.failed} failed"
    )
    for condition in found.conditions:
        about = f": {condition.message}" if condition.message else ""
        say(f"{condition.type} {condition.status} {condition.reason}{about}")
    for failure in found.failures:
        say(f"failed: {failure.device} at {failure.at}: {failure.message}")


@commands.command()
def promote(name: Name, namespace: Namespace = None) -> None:
    """End the wait before the next step, of the plan as it is now and of no other."""

    def change(rollout: Rollout) -> dict[str, Any]:
        awaits = rollout.status.awaits
        if rollout.status.plan != plan_digest(rollout.spec):
            fail(f"{name} has no plan of its spec as it is: wait until it is made")
        if not awaits:
            fail(f"{name} waits for nothing that a person could end")
        return {"promoted": awaits}

    _change(name, namespace, change, "promoted")


@commands.command()
def pause(name: Name, namespace: Namespace = None) -> None:
    """Offer nothing for now."""
    _change(name, namespace, lambda _: {"paused": True}, "paused")


@commands.command()
def resume(name: Name, namespace: Namespace = None) -> None:
    """Go on where it was paused."""
    _change(name, namespace, lambda _: {"paused": None}, "resumed")


@commands.command()
def abort(name: Name, namespace: Namespace = None) -> None:
    """Offer nothing any more, for good; what devices have installed stays."""
    _change(name, namespace, lambda _: {"aborted": True}, "aborted")


@commands.command()
def retry(name: Name, namespace: Namespace = None) -> None:
    """Offer the package again to the devices that have failed until now."""
    now = timestamp(datetime.now(UTC))
    _change(name, namespace, lambda _: {"retryFailedBefore": now}, "retried")


def _change(
    name: str, namespace: str | None, change: Callable[[Rollout], dict[str, Any]], word: str
) -> None:
    async def work() -> None:
        async with open_client(namespace) as client:
            rollout = await client.get(ROLLOUTS, name)
            if rollout.spec.aborted:
                fail(f"{name} was aborted, for good; make another one")
            await Writer(client, None).patch(ROLLOUTS, rollout, {"spec": change(rollout)})

    run(work)
    say(f"{word}: {name}")
