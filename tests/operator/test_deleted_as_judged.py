"""What the operator deletes for being over, while somebody changes it or its watch is behind."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from polyfleet.fleet.claims import YOUNG, ClaimedName
from polyfleet.fleet.objects.kinds import (
    CLAIMS,
    COMMANDS,
    DEVICES,
    Kind,
    Object,
)
from polyfleet.kube.client import Client
from polyfleet.kube.errors import NotFound
from polyfleet.kube.writer import Writer
from polyfleet.operator.context import Context
from polyfleet.operator.controllers import claims
from polyfleet.operator.controllers.expiry import reconcile_command
from tests.operator.in_process import SECONDS, operator_of

NAME = ClaimedName("Alias", "x", "default")
APPLICATION = {"application": "default"}
OVER = "2020-01-01T00:00:00Z"


class LateWriter(Writer):
    """A writer before whose deletions something else comes."""

    before: Callable[[], Awaitable[Any]]

    async def delete(self, kind: Kind[Object], item: Object, *, checked: bool = True) -> None:
        await self.before()
        await super().delete(kind, item, checked=checked)


def later(context: Context, before: Callable[[], Awaitable[Any]] | None = None) -> Context:
    """Return an operator to whom all is old, and which is slow to delete."""
    now = datetime.now(UTC) + 2 * YOUNG
    if before is None:
        return replace(context, clock=lambda: now)
    writer = LateWriter(context.client, context.cache)
    writer.before = before
    return replace(context, clock=lambda: now, writer=writer)


async def make(context: Context, kind: Kind[Any], name: str, /, **spec: Any) -> Any:
    """Make an object, and wait until the operator has heard of it."""
    made = await context.client.create(kind, {"metadata": {"name": name}, "spec": spec})
    if kind in context.cache:
        version = made.metadata.resource_version
        assert await context.cache.store(kind).wait_for_version(name, version, SECONDS)
    return made


async def is_there(client: Client, kind: Kind[Any], name: str) -> bool:
    try:
        await client.get(kind, name)
    except NotFound:
        return False
    return True


def change(
    context: Context, kind: Kind[Any], name: str, patch: Mapping[str, Any], **options: Any
) -> Callable[[], Awaitable[Any]]:
    return lambda: context.client.patch(kind, name, patch, **options)


async def claim(context: Context, holder: str) -> str:
    await make(
        context,
        CLAIMS,
        NAME.object_name,
        **APPLICATION,
        type=NAME.type,
        value=NAME.value,
        holder={"kind": "Device", "name": holder},
    )
    return NAME.object_name


async def test_a_claim_goes_that_nobody_needs(admin_kubeconfig: Path, namespace: str) -> None:
    async with operator_of(admin_kubeconfig, namespace) as context:
        name = await claim(context, "d")
        await claims.sweep(later(context), "")
        assert not await is_there(context.client, CLAIMS, name)


async def test_a_claim_stays_whose_holder_is_not_known_yet(
    admin_kubeconfig: Path, namespace: str
) -> None:
    async with operator_of(admin_kubeconfig, namespace) as context:
        data = {"spec": {"alias": [NAME.value]}}
        device = await make(context, DEVICES, "d", **APPLICATION, deviceId="d", data=data)
        name = await claim(context, "d")
        context.cache.devices.remove(device, confirmed=False)
        await claims.sweep(later(context), "")
        assert await is_there(context.client, CLAIMS, name)


async def test_a_claim_stays_that_is_taken_again_meanwhile(
    admin_kubeconfig: Path, namespace: str
) -> None:
    async with operator_of(admin_kubeconfig, namespace) as context:
        name = await claim(context, "d")
        again = change(context, CLAIMS, name, {"metadata": {"annotations": {"kept": "now"}}})
        await claims.sweep(later(context, again), "")
        assert await is_there(context.client, CLAIMS, name)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Provide the reasons of what people are told."""
    reasons: list[str] = []

    def tell(_: Context, __: Any, *notices: Any) -> None:
        reasons.extend(notice.reason for notice in notices)

    monkeypatch.setattr(Context, "tell", tell)
    return reasons


async def command(context: Context) -> str:
    await make(context, DEVICES, "d", **APPLICATION, deviceId="d")
    spec = {**APPLICATION, "device": "d", "name": "reboot", "expiresAt": OVER}
    await make(context, COMMANDS, "c", **spec)
    return "c"


async def test_of_a_command_that_is_just_being_delivered_no_expiry_is_told(
    admin_kubeconfig: Path, namespace: str, told: list[str]
) -> None:
    async with operator_of(admin_kubeconfig, namespace) as context:
        name = await command(context)
        delivered = {"status": {"delivered": {"at": OVER, "by": "a facade"}}}
        deliver = change(context, COMMANDS, name, delivered, subresource="status")

        again = await reconcile_command(later(context, deliver), name)

        assert again is not None
        assert await is_there(context.client, COMMANDS, name)
        version = (await context.client.get(COMMANDS, name)).metadata.resource_version
        assert await context.cache.commands.wait_for_version(name, version, SECONDS)
        assert await reconcile_command(later(context), name) is None
        assert not await is_there(context.client, COMMANDS, name)
        assert told == []


async def test_of_a_command_that_somebody_else_deletes_no_expiry_is_told(
    admin_kubeconfig: Path, namespace: str, told: list[str]
) -> None:
    async with operator_of(admin_kubeconfig, namespace) as context:
        name = await command(context)
        await reconcile_command(later(context, lambda: context.client.delete(COMMANDS, name)), name)
        assert told == []


async def test_of_a_command_that_expires_it_is_told(
    admin_kubeconfig: Path, namespace: str, told: list[str]
) -> None:
    async with operator_of(admin_kubeconfig, namespace) as context:
        name = await command(context)
        assert await reconcile_command(later(context), name) is None
        assert not await is_there(context.client, COMMANDS, name)
        assert told == ["CommandExpired"]
