"""What the tests of identity share: stores, a clock that is moved by hand, keys, an issuer."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from polyfleet.api.core.identity.authenticator import Identity
from polyfleet.api.core.identity.password_hashes import PasswordHashes
from polyfleet.api.core.identity.signing_keys import SigningKeys
from polyfleet.api.settings import Settings
from polyfleet.fleet.names import object_name
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.kinds import ACCESS_TOKENS, DEVICES, USERS
from polyfleet.fleet.objects.user import AccessToken, User
from polyfleet.kube.client import Client
from polyfleet.kube.store import Store
from tests.api.identity.issuer import Issuer, PrivateKey, running_issuer
from tests.facade_client import facade_client


class HandClock:
    """A clock that stands still until it is moved; `monotonic` is the one that nobody sets."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)
        self._passed = 0.0

    def __call__(self) -> datetime:
        return self.now

    def monotonic(self) -> float:
        return self._passed

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self._passed += seconds

    def set_back(self, seconds: float) -> None:
        self.now -= timedelta(seconds=seconds)


@dataclass
class People:
    """Real stores, filled from what the API server answered."""

    client: Client
    users: Store[User] = field(default_factory=lambda: Store(USERS))
    access_tokens: Store[AccessToken] = field(default_factory=lambda: Store(ACCESS_TOKENS))
    devices: Store[Device] = field(default_factory=lambda: Store(DEVICES))

    async def user(self, name: str = "ada", password: str | None = None, **fields: Any) -> User:
        """Create a user, and its password if one is given."""
        body = {"metadata": {"name": object_name("User", "", name)}, "spec": {"name": name}}
        body["spec"] |= fields
        user = await self.client.create(USERS, body)
        self.users.apply(user)
        if password is not None:
            await PasswordHashes(self.client).store(user, password)
        return user

    async def change_user(self, user: User, **fields: Any) -> User:
        changed = await self.client.patch(USERS, user.metadata.name, {"spec": fields})
        self.users.apply(changed)
        return changed

    async def remove_user(self, user: User) -> None:
        await self.client.delete(USERS, user.metadata.name)
        self.users.remove(user, confirmed=True)

    async def device(self, device_id: str = "device-1") -> Device:
        body = {
            "metadata": {"name": object_name("Device", "default", device_id)},
            "spec": {"application": "default", "deviceId": device_id},
        }
        device = await self.client.create(DEVICES, body)
        self.devices.apply(device)
        return device

    async def change_device(self, device: Device, **fields: Any) -> Device:
        changed = await self.client.patch(DEVICES, device.metadata.name, {"spec": fields})
        self.devices.apply(changed)
        return changed

    async def remove_device(self, device: Device) -> None:
        await self.client.delete(DEVICES, device.metadata.name)
        self.devices.remove(device, confirmed=True)


StartIdentity = Callable[..., Any]


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def client(
    service_account_kubeconfig: Callable[[str], Path], namespace: str
) -> AsyncIterator[Client]:
    """Provide a client with the chart's rights of the facade."""
    path = await asyncio.to_thread(service_account_kubeconfig, "polyfleet-facade")
    async with facade_client(path, namespace, Client) as opened:
        yield opened


@pytest.fixture
def people(client: Client) -> People:
    return People(client)


@pytest.fixture
async def keys(client: Client, clock: HandClock) -> AsyncIterator[SigningKeys]:
    async with SigningKeys(client, monotonic=clock.monotonic) as opened:
        yield opened


@pytest.fixture
def start_identity(
    client: Client, people: People, keys: SigningKeys, clock: HandClock, namespace: str
) -> StartIdentity:
    """Provide a maker of identities; its arguments are settings."""

    def start(**changes: Any) -> Identity:
        settings = Settings(namespace=namespace, **changes)
        return Identity(settings, client, people, keys, clock=clock, monotonic=clock.monotonic)

    return start


@pytest.fixture
async def identity(start_identity: StartIdentity) -> AsyncIterator[Identity]:
    async with start_identity() as opened:
        yield opened


@pytest.fixture(scope="session")
def issuer_keys() -> dict[str, PrivateKey]:
    return {
        "rsa": rsa.generate_private_key(public_exponent=65537, key_size=2048),
        "ec": ec.generate_private_key(ec.SECP256R1()),
    }


@pytest.fixture(scope="session")
def other_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="session")
def _issuer_server() -> Iterator[Issuer]:
    with running_issuer() as running:
        yield running


@pytest.fixture
def issuer(_issuer_server: Issuer, issuer_keys: dict[str, PrivateKey]) -> Issuer:
    """Provide an issuer that nobody has asked yet."""
    _issuer_server.reset(issuer_keys)
    return _issuer_server


@pytest.fixture
def password() -> str:
    return secrets.token_urlsafe(18)
