"""`polyfleet enroll`: see the devices that ask to be let in, and answer them."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from polyfleet.cli.cluster import Namespace, fail, open_client, run
from polyfleet.cli.terminal import cell, say
from polyfleet.fleet.conditions import holds
from polyfleet.fleet.keys import fingerprint
from polyfleet.fleet.names import object_name
from polyfleet.fleet.objects.enrollment import Enrollment
from polyfleet.fleet.objects.kinds import DEVICES, ENROLLMENTS
from polyfleet.kube.client import Client
from polyfleet.kube.devices import is_device
from polyfleet.kube.errors import NotFound
from polyfleet.kube.writer import Writer

commands = typer.Typer(no_args_is_help=True, help="Devices that ask to be let in.")

_SHOWN = 16
_KEY_CHANGE = "KeyChange"

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

    columns = ("APPLICATION", "DEVICE", "KEY", "ANSWER", "LAST ASKED", "NOTE")
    table = Table(*columns, box=None)
    for item in run(work):
        spec = item.spec
        asked = item.status.last_appeared or spec.created_at
        answer = spec.approval or "waits"
        key, note = _key(item)[:_SHOWN], _note(item)
        table.add_row(*map(cell, (spec.application, spec.device_id, key, answer, asked, note)))
    Console(soft_wrap=True).print(table)


@commands.command()
def approve(
    device: Device,
    *,
    key: Key = "",
    application: Application = "default",
    replace_key: Annotated[
        bool,
        typer.Option("--replace-key", help="Even if it is a device already, with another key."),
    ] = False,
    namespace: Namespace = None,
) -> None:
    """Let a device in; the operator makes it a Device."""

    async def check(client: Client, item: Enrollment) -> None:
        known = await _other_keys(client, item)
        if known and not replace_key:
            fail(
                f"{device} is a device already, with the key {', '.join(known)}. To approve this "
                f"would replace it by {_key(item)[:_SHOWN]}: whoever has the old key would be "
                "refused from then on. If that is wanted, repeat it with --replace-key."
            )

    _answer("Approved", device, key, application, namespace, check)


@commands.command()
def deny(
    device: Device,
    key: Key = "",
    application: Application = "default",
    namespace: Namespace = None,
) -> None:
    """Turn a device away; it may ask again once its Enrollment has expired."""
    _answer("Denied", device, key, application, namespace, None)


def _answer(  # noqa: PLR0917 - the two commands' own arguments
    answer: str,
    device: str,
    key: str,
    application: str,
    namespace: str | None,
    check: Callable[[Client, Enrollment], Awaitable[None]] | None,
) -> None:
    async def work() -> Enrollment:
        async with open_client(namespace) as client:
            item = _one(await _all(client), device, key, application)
            if check is not None:
                await check(client, item)
            patch = {"spec": {"approval": answer}}
            return await Writer(client, None).patch(ENROLLMENTS, item, patch)

    item = run(work)
    say(f"{answer}: {item.spec.device_id} with key {_key(item)[:_SHOWN]}")


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


def _note(item: Enrollment) -> str:
    return "another key than the device's" if _told_as_key_change(item) else ""


def _told_as_key_change(item: Enrollment) -> bool:
    return holds(item, _KEY_CHANGE) is True


async def _other_keys(client: Client, item: Enrollment) -> list[str]:
    """Return the fingerprints that the device has, if the one that asks is not among them."""
    spec = item.spec
    name = object_name("Device", spec.application, spec.device_id)
    with suppress(NotFound):
        device = await client.get(DEVICES, name)
        if is_device(device, spec.application, spec.device_id):
            keys = [_fingerprint(pem)[:_SHOWN] for pem in device.spec.public_keys]
            return [] if _key(item)[:_SHOWN] in keys else keys
    # A device that kubectl made can have any object name; the operator has found it then.
    return ["that its Device names"] if _told_as_key_change(item) else []


def _key(item: Enrollment) -> str:
    return _fingerprint(item.spec.public_key)


def _fingerprint(pem: str) -> str:
    try:
        return fingerprint(pem)
    except ValueError:
        return "unreadable"
