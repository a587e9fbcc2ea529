"""A device of Drogue Cloud: it waits at its inbox for commands, and answers them.

The command `update`, with `{"version": …}`, is what it takes for the offer of an update.
"""

import base64
import time
from collections.abc import MutableMapping
from urllib.parse import quote, urlencode

from polyfleet.simulator.dialects.speaker import JSON, Offer, Speaker, encoded
from polyfleet.simulator.machine import Machine, Told
from polyfleet.simulator.wire import Wire

INBOX = "/api/command/v1alpha1/inbox/apps/{app}/devices/{device}"
OUTBOX = "/api/command/v1alpha1/outbox/apps/{app}/devices/{device}"
UPDATE = "update"

_OK, _NOTHING, _FAILED = 200, 404, 500


class DrogueSpeaker(Speaker):
    """Signs in with each request, by `<device>@<application>` and its password."""

    def __init__(  # noqa: PLR0917 - all that it is made of
        self,
        machine: Machine,
        wire: Wire,
        interval: float,
        application: str,
        password: str,
        posted: MutableMapping[int, float],
    ) -> None:
        super().__init__(machine, wire, interval)
        name = machine.identifier
        self._place = {"app": quote(application, safe=""), "device": quote(name, safe="")}
        secret = f"{quote(name, safe='')}@{application}:{password}".encode()
        self._credential = {"Authorization": f"Basic {base64.b64encode(secret).decode()}"}
        self._posted = posted
        self._seconds = max(1, round(interval))

    async def enter(self, told: Told) -> bool:
        """Do nothing: each request says who it is."""
        del told
        return True

    async def ask(self, told: Told) -> Offer | None:
        """Wait for a command, and answer at once what is no update."""
        answer = await self._send(
            "GET",
            f"{INBOX.format(**self._place)}?timeout={self._seconds}",
            route=INBOX,
            headers=self._credential,
            waits=self._seconds,
        )
        if answer.status != _OK:
            return None
        document = answer.json()
        found = document if isinstance(document, dict) else {}
        posted = self._posted.pop(found.get("order", -1), None)
        if posted is not None:
            self._wire.tally.deliveries.add(time.perf_counter() - posted)
        offer = Offer(answer.headers["Request"], found.get("version"))
        if answer.headers["Command"] == UPDATE and offer.version is not None:
            return offer
        await self._answer(offer, _OK, told)
        return None

    async def is_known(self) -> bool:
        """Say whether the server knows the device and its password."""
        answer = await self._send(
            "GET", INBOX.format(**self._place), route=INBOX, headers=self._credential
        )
        return answer.status in (_OK, _NOTHING)

    async def report(self, offer: Offer, *, installed: bool) -> None:
        """Answer the command."""
        told = self.machine.told()
        if await self._answer(offer, _OK if installed else _FAILED, told) and installed:
            self.machine.acknowledged = told.version

    async def forget(self) -> None:
        """Do nothing: there is nothing to lose."""

    async def _answer(self, offer: Offer, status: int, told: Told) -> bool:
        query = urlencode({"request": offer.name, "status": status})
        answer = await self._send(
            "POST",
            f"{OUTBOX.format(**self._place)}?{query}",
            route=OUTBOX,
            headers={**JSON, **self._credential},
            body=encoded({"version": told.version}),
        )
        return answer.status == _OK
