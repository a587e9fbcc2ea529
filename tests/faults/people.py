"""Administrators who write while processes die, and who note what they were told.

As people do, they ask again where there was no answer, or one that says to come back later; what
they were told at last goes into the ledger.
"""

import asyncio
import secrets
from collections.abc import Callable
from typing import Any

import httpx

from tests.faults.ledger import Ledger
from tests.faults.site import PATIENCE

APPS = "/api/registry/v1alpha1/apps"
COMMAND = "/api/command/v1alpha1/apps"
INVENTORY = "/api/management/v1/inventory"
_PAUSE = 0.1
_AGAIN = frozenset({429, 500, 502, 503, 504})
MEMBERS = 10
QUEUE = 30
"""How many commands one device gets, as nobody fetches them: no more than 64 may wait."""


class People:
    """Everybody who writes; `run` until `over` is set."""

    def __init__(self, url: str, token: str, ledger: Ledger, seed: int) -> None:
        self._url = url
        self._token = token
        self._ledger = ledger
        self._name = f"w{seed}"
        self.over = asyncio.Event()

    async def run(self) -> None:
        """Write until it is over; whatever was begun is then ended."""
        async with (
            httpx.AsyncClient(
                base_url=self._url,
                headers={"Authorization": f"Bearer {self._token}"},
                timeout=30,
                trust_env=False,
            ) as client,
            asyncio.TaskGroup() as tasks,
        ):
            for work in (
                self._set_policies,
                self._move_members,
                self._label_applications,
                self._make_and_delete_devices,
                self._upload_packages,
                self._send_commands,
            ):
                tasks.create_task(work(_Caller(client, work.__name__[1:], self._ledger)))

    async def _set_policies(self, caller: "_Caller") -> None:
        group = await self._group(caller, f"{self._name}-policy", 1)
        number = 0
        while not self.over.is_set():
            number += 1
            policy = f"exact_match,v{number}"
            path = f"/api/v2/groups/{group}/policy"
            await caller.ask("POST", path, good={200}, again={404}, json={"policy": policy})
            self._ledger.policies[group] = policy
            await asyncio.sleep(_PAUSE)

    async def _move_members(self, caller: "_Caller") -> None:
        """Change half of a group's members at a time, all or nothing."""
        group = await self._group(caller, f"{self._name}-members", 2)
        names = [f"{self._name}-member-{number}" for number in range(MEMBERS)]
        for name in names:
            await self._inventory_device(caller, name)
        serials = [await self._serial(caller, name) for name in names]
        halves = frozenset(serials[::2]), frozenset(serials[1::2])
        path = f"/api/v2/groups/{group}/devices"
        number = 0
        members: frozenset[int] = frozenset()
        while not self.over.is_set():
            wanted = halves[number % 2]
            number += 1
            body = {"add": sorted(wanted - members), "remove": sorted(members - wanted)}

            async def made(wanted: frozenset[int] = wanted) -> bool:
                return await self._members(caller, group) == wanted

            await caller.ask("PATCH", path, good={200}, again={404, 409}, json=body, made=made)
            members = wanted
            self._ledger.members[group] = members
            await asyncio.sleep(_PAUSE)

    async def _label_applications(self, caller: "_Caller") -> None:
        name = f"{self._name}-labels"
        await self._application(caller, name)
        number = 0
        while not self.over.is_set():
            number += 1
            body = {"metadata": {"name": name, "labels": {"round": str(number)}}}
            await caller.ask("PUT", f"{APPS}/{name}", good={204}, again={404, 409}, json=body)
            self._ledger.labels[name] = str(number)
            await asyncio.sleep(_PAUSE)

    async def _make_and_delete_devices(self, caller: "_Caller") -> None:
        app = f"{self._name}-devices"
        await self._application(caller, app)
        number = 0
        while not self.over.is_set():
            name = f"{self._name}-device-{number}"
            await self._drogue_device(caller, app, name)
            self._ledger.devices.add(name)
            if number % 3 == 2:
                old = f"{self._name}-device-{number - 2}"
                await self._delete(caller, f"{APPS}/{app}/devices/{old}")
                self._ledger.devices.discard(old)
                self._ledger.deleted.add(old)
            number += 1
            await asyncio.sleep(_PAUSE)

    async def _upload_packages(self, caller: "_Caller") -> None:
        number = 0
        while not self.over.is_set():
            number += 1
            content = secrets.token_bytes(20_000)
            reply = await caller.ask(
                "POST",
                "/api/v1/packages",
                good={200},
                data={
                    "rdfm.software.version": f"{self._name}-{number}",
                    "rdfm.hardware.devtype": "nobody's",
                },
                files={"file": ("image", content)},
            )
            self._ledger.packages[int(reply.json()["id"])] = content
            await asyncio.sleep(5 * _PAUSE)

    async def _send_commands(self, caller: "_Caller") -> None:
        app = f"{self._name}-commands"
        await self._application(caller, app)
        number = 0
        while not self.over.is_set():
            device = f"{self._name}-commanded-{number // QUEUE}"
            if number % QUEUE == 0:
                for _ in range(4):
                    await self._drogue_device(caller, app, device)
            number += 1
            path = f"{COMMAND}/{app}/devices/{device}?command=n{number}"
            reply = await caller.ask("POST", path, good={202}, again={404, 406}, json={"n": number})
            self._ledger.commands.add(reply.headers["Request"])
            await asyncio.sleep(3 * _PAUSE)

    async def _group(self, caller: "_Caller", name: str, priority: int) -> int:
        body = {"metadata": {"rdfm.group.name": name}, "priority": priority}
        reply = await caller.ask("POST", "/api/v2/groups", good={200, 409}, json=body)
        if reply.status_code == 200:
            return int(reply.json()["id"])
        return await caller.find(
            "/api/v2/groups", lambda group: group["metadata"]["rdfm.group.name"] == name
        )

    async def _inventory_device(self, caller: "_Caller", name: str) -> None:
        body = {"id": name, "attributes": []}
        await caller.ask("POST", f"{INVENTORY}/devices", good={201, 409}, json=body)

    async def _serial(self, caller: "_Caller", name: str) -> int:
        return await caller.find("/api/v2/devices", lambda device: device["mac_address"] == name)

    async def _members(self, caller: "_Caller", group: int) -> frozenset[int]:
        reply = await caller.ask("GET", f"/api/v2/groups/{group}", good={200}, again={404})
        return frozenset(reply.json()["devices"])

    async def _application(self, caller: "_Caller", name: str) -> None:
        await caller.ask("POST", APPS, good={201, 409}, json={"metadata": {"name": name}})

    async def _drogue_device(self, caller: "_Caller", app: str, name: str) -> None:
        body = {"metadata": {"application": app, "name": name}}
        path = f"{APPS}/{app}/devices"
        await caller.ask("POST", path, good={201, 409}, again={404}, json=body)

    async def _delete(self, caller: "_Caller", path: str) -> None:
        lost = caller.lost
        reply = await caller.ask("DELETE", path, good={204, 404})
        while reply.status_code == 404 and caller.lost == lost:
            # The replica that answers has not heard of the device yet.
            reply = await caller.ask("DELETE", path, good={204, 404})


class _Caller:
    """One of the people: asks until the answer is one to go by."""

    def __init__(self, client: httpx.AsyncClient, name: str, ledger: Ledger) -> None:
        self._client = client
        self._name = name
        self._ledger = ledger
        self.lost = 0
        """Requests without an answer, which may have been carried out."""

    async def ask(
        self,
        method: str,
        path: str,
        *,
        good: set[int],
        again: frozenset[int] | set[int] = frozenset(),
        made: Any = None,
        **options: Any,
    ) -> httpx.Response:
        """Ask until there is a good answer; others than good ones and `again` fail the test.

        `made` says whether a change that was asked for before is there, after a refusal.
        """
        async with asyncio.timeout(2 * PATIENCE):
            while True:
                try:
                    reply = await self._client.request(method, path, **options)
                except httpx.TransportError:
                    self.lost += 1
                    self._ledger.answers[f"{self._name} lost"] += 1
                else:
                    self._ledger.answers[f"{self._name} {reply.status_code}"] += 1
                    if reply.status_code in good:
                        return reply
                    assert reply.status_code in {*again, *_AGAIN}, (method, path, reply.text)
                    if reply.status_code >= 500:
                        self.lost += 1
                    if made is not None and reply.status_code in again and await made():
                        return reply
                await asyncio.sleep(_PAUSE)

    async def find(self, path: str, is_it: Callable[[dict[str, Any]], bool]) -> int:
        """Return the number of the one in a list that it is, once it is there."""
        async with asyncio.timeout(2 * PATIENCE):
            while True:
                reply = await self.ask("GET", path, good={200})
                for item in reply.json():
                    if is_it(item) and item.get("id") is not None:
                        return int(item["id"])
                await asyncio.sleep(_PAUSE)
