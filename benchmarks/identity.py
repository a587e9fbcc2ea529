"""What it costs to tell who calls, in microseconds of CPU; no API server is needed.

    python benchmarks/identity.py

Reach: 15 µs for a device's token that was seen before, 20 µs for an access token.
"""

import asyncio
import base64
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from starlette.datastructures import Headers

from polyfleet.api.core.identity import access_tokens
from polyfleet.api.core.identity.authenticator import Identity
from polyfleet.api.core.identity.login import Login
from polyfleet.api.core.identity.signing_keys import KeyRing, SigningKeys
from polyfleet.api.settings import Settings
from polyfleet.fleet.objects.device import Device, DeviceSpec
from polyfleet.fleet.objects.kinds import ACCESS_TOKENS, DEVICES, USERS
from polyfleet.fleet.objects.metadata import ObjectMeta
from polyfleet.fleet.objects.user import AccessToken, AccessTokenSpec, User, UserSpec
from polyfleet.kube.store import Store

DEVICE_COUNT = 10_000
REQUESTS = 20_000
REACH = {"device token, seen before": 15.0, "access token": 20.0}

Item = TypeVar("Item")


@dataclass
class Stores:
    """The part of the cache that identity reads."""

    users: Store[User]
    access_tokens: Store[AccessToken]
    devices: Store[Device]


async def cpu(work: Callable[[Item], Awaitable[Any]], items: Iterable[Item]) -> float:
    """Return the CPU time of one call, in microseconds."""
    count = 0
    began = time.process_time()
    for count, item in enumerate(items, 1):  # noqa: B007 - the last one is the count
        await work(item)
    return (time.process_time() - began) / count * 1e6


def meta(name: str) -> ObjectMeta:
    return ObjectMeta(name=name, uid=f"uid-{name}", resource_version="1")


def headers(authorization: str) -> Headers:
    raw = {"host": "facade", "content-type": "application/json", "authorization": authorization}
    return Headers(raw=[(name.encode(), value.encode()) for name, value in raw.items()])


async def measure() -> dict[str, float]:
    """Return what each way to authenticate costs."""
    stores = Stores(Store(USERS), Store(ACCESS_TOKENS), Store(DEVICES))
    keys = SigningKeys(None)  # type: ignore[arg-type]  # its keys are given below, not read
    keys._ring = KeyRing("key-1", {"key-1": bytes(32)})  # noqa: SLF001
    identity = Identity(Settings(), None, stores, keys)  # type: ignore[arg-type]
    user = User(metadata=meta("ada"), spec=UserSpec(name="ada", scopes=("rdfm_admin_rw",)))
    stores.users.apply(user)
    token = access_tokens.generate()
    spec = AccessTokenSpec(
        user="ada", user_uid=user.metadata.uid, prefix=token.prefix, hash=token.hash
    )
    stores.access_tokens.apply(AccessToken(metadata=meta("token"), spec=spec))
    for number in range(DEVICE_COUNT):
        device_id = f"device-{number}"
        device = Device(
            metadata=meta(device_id), spec=DeviceSpec(application="default", device_id=device_id)
        )
        stores.devices.apply(device)

    issued: list[str] = []

    async def issue(device: Device) -> None:
        issued.append(identity.issue_device_token(device))

    async def manage(sent: Headers) -> None:
        await identity.authenticate_management(sent)

    figures = {"device token, issued": await cpu(issue, stores.devices.values())}
    figures["device token, seen before"] = await cpu(identity.authenticate_device, issued)
    identity = Identity(Settings(), None, stores, keys)  # type: ignore[arg-type]
    figures["device token, new to this replica"] = await cpu(identity.authenticate_device, issued)
    pair = base64.b64encode(f"ada:{token.text}".encode()).decode()
    own = identity.issue_user_token(Login(user)).text
    for name, authorization in (
        ("access token", f"Bearer {token.text}"),
        ("access token, Basic", f"Basic {pair}"),
        ("token of our own endpoint", f"Bearer {own}"),
    ):
        figures[name] = await cpu(manage, [headers(authorization)] * REQUESTS)
    return figures


def main() -> int:
    figures = asyncio.run(measure())
    for name, figure in figures.items():
        reach = f"   (reach {REACH[name]:.0f})" if name in REACH else ""
        print(f"{name:36} {figure:6.1f} µs{reach}")
    return int(any(figures[name] > reach for name, reach in REACH.items()))


if __name__ == "__main__":
    sys.exit(main())
