"""`polyfleet enroll`: see the devices that ask to be let in, and answer them."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from polyfleet.cli.cluster import Namespace, fail, open_client, run
from polyfleet.fleet.keys import fingerprint
from polyfleet.fleet.objects.enrollment import Enrollment
from polyfleet.fleet.objects.kinds import ENROLLMENTS
from polyfleet.kube.client import Client
from polyfleet.kube.writer import Writer

commands = typer.Typer(no_args_is_help=True, help="Devices that ask to be let in.")

_SHOWN = 16

Device = Annotated[str, typer.Argument(help="The device's id.")]
Key = Annotated[
    str, typer.Option("--key", help="Start of the key's fingerprint, if it offers several.")
]
Application = Annotated[str, typer.Option(help="The application that it asks for.")]


@commands.command("list")
def list_(namespace: Namespace = None) -> None:
    """List the devices that wait, with their keys' fingerprints."""

    async def work() -> list[Enrollment]:
        async with open_client(namespace) as client:
            return await _all(client)

    table = Table("APPLICATION", "DEVICE", "KEY", "ANSWER", "LAST ASKED", box=None)
    for item in run(work):
        spec = item.spec
        asked = item.status.last_appeared or spec.created_at
        answer = spec.approval or "waits"
        table.add_row(spec.application, spec.device_id, _key(item)[:_SHOWN], answer, asked)
    Console(soft_wrap=True).print(table)


@commands.command()
def approve(
    device: Device,
    key: Key = "",
    application: Application = "default",
    namespace: Namespace = None,
) -> None:
    """Let a device in; the operator makes it a Device."""
    _answer("Approved", device, key, application, namespace)


@commands.command()
def deny(
    device: Device,
    key: Key = "",
    application: Application = "default",
    namespace: Namespace = None,
) -> None:
    """Turn a device away; it may ask again once its Enrollment has expired."""
    _answer("Denied", device, key, application, namespace)


def _answer(answer: str, device: str, key: str, application: str, namespace: str | None) -> None:
    async def work() -> Enrollment:
        async with open_client(namespace) as client:
            item = _one(await _all(client), device, key, application)
            patch = {"spec": {"approval": answer}}
            return await Writer(client, None).patch(ENROLLMENTS, item, patch)

    item = run(work)
    typer.echo(f"{answer}: {item.spec.device_id} with key {_key(item)[:_SHOWN]}")


async def _all(client: Client) -> list[Enrollment]:
    return [item async for page in client.list_pages(ENROLLMENTS) for item in page.items]


def _one(items: list[Enrollment], device: str, key: str, application: str) -> Enrollment:
    asked = [
        item
        for item in items
        if (item.spec.application, item.spec.device_id) == (application, device)
        and _key(item).startswith(key.lower())
    ]
    if not asked:
        fail(f"no such device asks to be let in: {device}")
    if len(asked) > 1:
        keys = ", ".join(_key(item)[:_SHOWN] for item in asked)
        fail(f"{device} asks with several keys; choose one by --key: {keys}")
    return asked[0]


def _key(item: Enrollment) -> str:
    try:
        return fingerprint(item.spec.public_key)
    except ValueError:
        return "unreadable"
