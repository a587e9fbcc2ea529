"""The people of a simulated fleet: they let its devices in and send them commands."""

import asyncio
import json
import time
from base64 import b64encode
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from polyfleet.simulator.dialects.drogue import UPDATE
from polyfleet.simulator.dialects.speaker import JSON
from polyfleet.simulator.machine import Machine
from polyfleet.simulator.wire import Answer, Unreachable, Wire

PENDING, REGISTER = "/api/v1/auth/pending", "/api/v1/auth/register"
MEMBERS = "/api/management/v1/inventory/groups/{group}/devices"
PACKAGES = "/api/v1/packages"
APPS = "/api/registry/v1alpha1/apps"
DEVICES = f"{APPS}/{{app}}/devices"
COMMAND = "/api/command/v1alpha1/apps/{app}/devices/{device}"

_OK, _CREATED, _CONFLICT, _TOO_MANY, _FAULTS = 200, 201, 409, 429, 500
_AT_ONCE = 8
_BULK = 50

Item = TypeVar("Item")


class Refused(Exception):  # noqa: N818 - what it says is what it is
    """The people may not do what the simulation needs."""


class People:
    """One person with an access token, or Basic credentials (`name:token`)."""

    def __init__(self, wire: Wire, token: str) -> None:
        self._wire = wire
        basic = f"Basic {b64encode(token.encode()).decode()}"
        self._credential = {"Authorization": basic if ":" in token else f"Bearer {token}"}
        self.posted: dict[int, float] = {}
        """When each order was sent, by its number."""
        self._orders = 0
        self._grouped: set[str] = set()
        self._registered: set[str] = set()
        self._versions: dict[str, str] = {}
        self._ordered_at: dict[str, float] = {}

    async def let_in(self, keys: dict[str, str]) -> None:
        """Accept every device that waits and whose id and public key are among these.

        Raises Refused, and Unreachable.
        """
        answer = await self._call("GET", PENDING, route=PENDING)
        if not _done(PENDING, answer, _OK):
            return
        waiting = answer.json()
        if not isinstance(waiting, list):
            raise Refused(f"{PENDING} answered with no list")

        async def accept(item: dict[str, Any]) -> None:
            body = {"mac_address": item["mac_address"], "public_key": item["public_key"]}
            await self._call("POST", REGISTER, route=REGISTER, document=body)

        known = [item for item in waiting if keys.get(item["mac_address"]) == item["public_key"]]
        await _all(known, accept)

    async def group(self, name: str, machines: Iterable[Machine]) -> None:
        """Move the devices into a group of the default application that are not there yet.

        Raises Refused.
        """
        joining = [
            machine.identifier
            for machine in machines
            if machine.entered
            and machine.dialect != "drogue"
            and machine.identifier not in self._grouped
        ][:_BULK]
        if not joining:
            return
        path = MEMBERS.format(group=quote(name, safe=""))
        answer = await self._call("PATCH", path, route=MEMBERS, document=joining)
        if _done(path, answer, _OK):
            self._grouped.update(joining)

    async def register(self, application: str, machines: Iterable[Machine], password: str) -> None:
        """Make the application and its devices that are not there yet. Raises Refused.

        What does not succeed at once is left to the next call.
        """
        missing = [machine for machine in machines if machine.identifier not in self._registered]
        if not missing:
            return
        body = {"metadata": {"name": application}}
        answer = await self._call("POST", APPS, route=APPS, document=body)
        if not _done(APPS, answer, _CREATED, _CONFLICT):
            return
        path = f"{APPS}/{quote(application, safe='')}/devices"

        async def make(machine: Machine) -> None:
            document = {
                "metadata": {"application": application, "name": machine.identifier},
                "spec": {"credentials": {"credentials": [{"pass": password}]}},
            }
            answer = await self._call("POST", path, route=DEVICES, document=document)
            if _done(path, answer, _CREATED, _CONFLICT):
                self._registered.add(machine.identifier)

        await _all(missing, make)

    async def version_of(self, package: str) -> str | None:
        """Return the version of a package, by RDFM's number; None if it cannot be told now."""
        if package not in self._versions:
            path = f"{PACKAGES}/{quote(package, safe='')}"
            answer = await self._call("GET", path, route=f"{PACKAGES}/<id>")
            found = answer.json()
            if answer.status != _OK or not isinstance(found, dict):
                return None
            self._versions[package] = str(found["metadata"]["rdfm.software.version"])
        return self._versions[package]

    async def order_updates(
        self, application: str, machines: Iterable[Machine], version: str, *, patience: float
    ) -> None:
        """Command every device that has not said that it runs the version to install it.

        Who was commanded less than `patience` seconds ago is left in peace.
        """
        now = time.perf_counter()
        behind = [
            machine
            for machine in machines
            if machine.acknowledged != version
            and now - self._ordered_at.get(machine.identifier, now - patience) >= patience
        ]
        await _all(behind, lambda machine: self.order(application, machine, version))

    async def order(self, application: str, machine: Machine, version: str) -> None:
        """Command a device to install a version, whatever it runs. Raises Unreachable."""
        self._orders += 1
        number, now = self._orders, time.perf_counter()
        self.posted[number] = self._ordered_at[machine.identifier] = now
        place = {"app": quote(application, safe=""), "device": quote(machine.identifier, safe="")}
        await self._call(
            "POST",
            f"{COMMAND.format(**place)}?{urlencode({'command': UPDATE})}",
            route=COMMAND,
            document={"version": version, "order": number},
        )

    async def _call(self, method: str, path: str, *, route: str, document: Any = None) -> Answer:
        return await self._wire.send(
            method,
            path,
            route=route,
            headers={**JSON, **self._credential},
            body=None if document is None else json.dumps(document).encode(),
        )


def _done(what: str, answer: Answer, *good: int) -> bool:
    """Say whether it succeeded; False if it may when it is tried again. Raises Refused."""
    status = answer.status
    if status in good:
        return True
    if status in (_CONFLICT, _TOO_MANY) or status >= _FAULTS:
        return False
    raise Refused(f"{what} answered {status}: {answer.body[:200].decode(errors='replace')}")


async def _all(items: Iterable[Item], work: Callable[[Item], Awaitable[None]]) -> None:
    """Do the work for every item, a few at a time; requests that were lost come again later."""
    slots = asyncio.Semaphore(_AT_ONCE)

    async def one(item: Item) -> None:
        async with slots:
            with suppress(Unreachable):
                await work(item)

    done = await asyncio.gather(*map(one, items), return_exceptions=True)
    for error in filter(None, done):
        raise error
