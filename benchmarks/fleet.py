"""Puts a fleet into the cluster: packages and a group over REST, devices by raw writes."""

import asyncio
import time
from collections.abc import Iterable

import httpx

from benchmarks import messages
from benchmarks.devices import DEVICE_TYPE, NEW_VERSION, OLD_VERSION, FleetDevice, Group
from benchmarks.etcd_seed import EtcdSeed
from benchmarks.load import Outcome
from benchmarks.processes import Usage
from benchmarks.stand import NAMESPACE, Stand
from polyfleet.api.core.identity.device_tokens import DeviceTokens
from polyfleet.api.core.identity.signing_keys import SigningKeys
from polyfleet.fleet.membership import label_key, member_value
from polyfleet.fleet.objects.kinds import DEVICES, GROUPS, PACKAGES, Kind, Object
from polyfleet.kube.client import Client
from polyfleet.kube.configuration import load_connection
from polyfleet.local.progress import StepProgress
from polyfleet.simulator.keys import KeyPool, primes_for

_JOINED = 1_772_366_400_000_000
_PATIENCE = 300.0
_CACHE_SECONDS = 600.0
_ARTIFACT = b"firmware" * 1024


class Fleet:
    """The devices of the stand. All are in one group; every other one lacks its version."""

    def __init__(self, stand: Stand, largest: int) -> None:
        self.devices: list[FleetDevice] = []
        self._stand = stand
        with StepProgress("RSA keys", total=primes_for(largest)) as progress:
            self.keys = KeyPool(largest, progress.advance)
        self._group = _make_group(stand)

    def grow(self, size: int) -> tuple[Outcome, Usage]:
        """Create devices until there are `size`; return how the creations went."""
        added = [self._device(number) for number in range(len(self.devices) + 1, size + 1)]
        made = self.create(f"{len(added):,} devices", added)
        self._stand.load_api_server(
            "Their first reports",
            (messages.report_status(device, self._stand.api_token, NAMESPACE) for device in added),
            expect={"200"},
        )
        self.devices += added
        return made

    def fill(self, size: int) -> None:
        """Put devices into the cluster's store until there are `size`; nothing is measured."""
        if not self.devices:
            self.grow(1)
        added = [self._device(number) for number in range(len(self.devices) + 1, size + 1)]
        seed = EtcdSeed(self._stand.cluster_directory, NAMESPACE)
        revision = seed.write(self.devices[0].name, added, self.keys)
        self.devices += added
        self._wait_until_cached(revision)

    def create(self, title: str, devices: Iterable[FleetDevice]) -> tuple[Outcome, Usage]:
        """Create Device objects on kube-apiserver itself."""
        token = self._stand.api_token
        requests = (
            messages.create_object(device, self.keys, token, NAMESPACE) for device in devices
        )
        return self._stand.load_api_server(title, requests, expect={"201"})

    def strangers(self, first: int, count: int) -> list[FleetDevice]:
        """Return devices that nobody knows yet, numbered from `first`."""
        return [FleetDevice(number, OLD_VERSION, None) for number in range(first, first + count)]

    def outdated(self) -> list[FleetDevice]:
        """Return the devices that an update is there for."""
        return [device for device in self.devices if device.version == OLD_VERSION]

    def current(self) -> list[FleetDevice]:
        """Return the devices that have what their group wants."""
        return [device for device in self.devices if device.version == NEW_VERSION]

    def tokens(self) -> dict[str, str]:
        """Return a device token for each device, by object name; they hold for 300 s."""
        with StepProgress("Device tokens"):
            return asyncio.run(_tokens(self._stand))

    def _wait_until_cached(self, revision: int) -> None:
        """Wait until kube-apiserver's own cache has what was written behind its back."""
        connection = load_connection(self._stand.administrator)
        newer = {"limit": "1", "resourceVersion": revision, "resourceVersionMatch": "NotOlderThan"}
        path = f"/apis/polyfleet.dev/v1alpha1/namespaces/{NAMESPACE}/devices"
        deadline = time.monotonic() + _CACHE_SECONDS
        with (
            StepProgress("kube-apiserver takes them in"),
            httpx.Client(
                base_url=self._stand.api_server_url,
                headers={"Authorization": f"Bearer {self._stand.api_token}"},
                verify=connection.ssl or True,
                timeout=_PATIENCE,
                trust_env=False,
            ) as client,
        ):
            while (answer := client.get(path, params=newer)).status_code != httpx.codes.OK:
                if answer.status_code != httpx.codes.GATEWAY_TIMEOUT or time.monotonic() > deadline:
                    answer.raise_for_status()
                time.sleep(1)

    def _device(self, number: int) -> FleetDevice:
        return FleetDevice(number, NEW_VERSION if number % 2 else OLD_VERSION, self._group)


def _make_group(stand: Stand) -> Group:
    headers = messages.bearer(stand.management_token)
    with (
        StepProgress("Packages and group"),
        httpx.Client(base_url=stand.facade_url, headers=headers, trust_env=False) as client,
    ):
        packages = [
            _answer(
                client.post(
                    "/api/v1/packages",
                    data={"rdfm.software.version": version, "rdfm.hardware.devtype": DEVICE_TYPE},
                    files={"file": ("image", _ARTIFACT)},
                )
            )["id"]
            for version in (OLD_VERSION, NEW_VERSION)
        ]
        serial = _answer(client.post("/api/v1/groups", json={"name": "all"}))["id"]
        _answer(client.post(f"/api/v1/groups/{serial}/package", json={"packages": packages}))
        policy = {"policy": f"exact_match,{NEW_VERSION}"}
        _answer(client.post(f"/api/v1/groups/{serial}/policy", json=policy))
    return asyncio.run(_group(stand, serial, packages[-1]))


def _answer(response: httpx.Response) -> dict[str, int]:
    response.raise_for_status()
    answer: dict[str, int] = response.json()
    return answer


async def _group(stand: Stand, serial: int, package_serial: int) -> Group:
    async with _client(stand) as client:
        group = await _with_serial(client, GROUPS, serial)
        package = await _with_serial(client, PACKAGES, package_serial)
    value = member_value(group, _JOINED)
    return Group(label_key(group.metadata.name), value, package.metadata.name)


async def _with_serial(client: Client, kind: Kind[Object], serial: int) -> Object:
    async for page in client.list_pages(kind):
        for item in page.items:
            if item.metadata.serial == serial:
                return item
    raise LookupError(f"the {kind.name} {serial} that was made is not there")


async def _tokens(stand: Stand) -> dict[str, str]:
    tokens = {}
    async with _client(stand) as client, SigningKeys(client) as keys:
        issuer = DeviceTokens(keys)
        async for page in client.list_pages(DEVICES):
            for device in page.items:
                tokens[device.metadata.name] = issuer.issue(device)
    return tokens


def _client(stand: Stand) -> Client:
    return Client(
        load_connection(stand.administrator),
        namespace=NAMESPACE,
        field_manager="benchmarks",
        request_timeout=_PATIENCE,
    )
