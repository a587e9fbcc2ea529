"""`polyfleet endpoint-token`: the secret by which a device speaks Kaa's protocol."""

import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from polyfleet.api.core.errors import Invalid
from polyfleet.api.core.identity import endpoint_tokens
from polyfleet.cli.cluster import Namespace, fail, open_client, run
from polyfleet.cli.terminal import say
from polyfleet.fleet.names import object_name
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.kinds import DEVICES
from polyfleet.kube.client import Client
from polyfleet.kube.devices import is_device
from polyfleet.kube.errors import NotFound
from polyfleet.kube.writer import Writer

MOST = 8
"""Tokens that one device may have."""


def endpoint_token(
    device: Annotated[str, typer.Argument(help="The device's id.")],
    *,
    application: Annotated[str, typer.Option(help="Its application.")] = "default",
    token_stdin: Annotated[
        bool,
        typer.Option("--token-stdin", help="Read the token that the device has from stdin."),
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Revoke those that it had until now.")
    ] = False,
    revoke: Annotated[
        bool, typer.Option("--revoke", help="Revoke all of them and make none.")
    ] = False,
    namespace: Namespace = None,
) -> None:
    """Give a device an endpoint token, or take its tokens away.

    A new token is printed, this once; the Device keeps only its SHA-256. With --token-stdin a
    device that was born with a token keeps it.
    """
    if revoke and (replace or token_stdin):
        fail("--revoke makes no token; give it alone")
    token = None if revoke else _token(from_stdin=token_stdin)

    def decide(current: Device) -> Mapping[str, Any] | None:
        known = current.spec.endpoint_token_hashes
        if token is None:
            return {"spec": {"endpointTokenHashes": None}} if known else None
        hashed = endpoint_tokens.digest(token)
        kept = [] if replace else [item for item in known if item != hashed]
        if len(kept) >= MOST:
            fail(f"{device} has {MOST} endpoint tokens already; --replace revokes them")
        return {"spec": {"endpointTokenHashes": [*kept, hashed]}}

    async def work() -> None:
        async with open_client(namespace) as client:
            name = await _object_name(client, application, device)
            if name is None:
                fail(f"there is no device {device} in application {application}")
            await Writer(client, None).update(DEVICES, name, decide)

    run(work)
    if token is None:
        say(f"{device} has no endpoint token any more.")
    elif token_stdin:
        say(f"{device} may use that token.")
    else:
        typer.echo(token)


def _token(*, from_stdin: bool) -> str:
    if not from_stdin:
        return endpoint_tokens.generate()
    token = sys.stdin.readline().rstrip("\r\n")
    try:
        endpoint_tokens.check(token)
    except Invalid as error:
        fail(f"the token {error.message}")
    return token


async def _object_name(client: Client, application: str, device_id: str) -> str | None:
    name = object_name("Device", application, device_id)
    try:
        if is_device(await client.get(DEVICES, name), application, device_id):
            return name
    except NotFound:
        pass
    # One that kubectl made may have any object name.
    async for page in client.list_pages(DEVICES, field_selector=f"spec.application={application}"):
        for item in page.items:
            if is_device(item, application, device_id):
                return item.metadata.name
    return None
