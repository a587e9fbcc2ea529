"""The life of one simulated device, round by round, by its script."""

import asyncio

from polyfleet.simulator.dialects.speaker import Offer, Speaker
from polyfleet.simulator.download import Download, DownloadRefused
from polyfleet.simulator.faults import Fault
from polyfleet.simulator.machine import Machine
from polyfleet.simulator.script import Death
from polyfleet.simulator.tally import Tally
from polyfleet.simulator.wire import ForeignLink, Unreachable


class Life:
    """Lives a device until it is over."""

    def __init__(
        self, machine: Machine, speaker: Speaker, tally: Tally, *, downloads: bool
    ) -> None:
        self._machine = machine
        self._speaker = speaker
        self._tally = tally
        self._downloads = downloads
        self._dead_rounds = 0
        self._partial: Download | None = None

    async def live(self, over: asyncio.Event) -> None:
        """Ask and do what is told, again and again, until the event is set."""
        script, interval = self._machine.script, self._speaker.interval
        if Fault.OFFLINE in script.faults:
            return
        await pause(over, script.start * interval)
        number = 0
        try:
            while not over.is_set():
                choices = script.round(number)
                number += 1
                if self._dead_rounds:
                    self._dead_rounds -= 1
                elif choices.away:
                    await self._speaker.forget()
                else:
                    self._speaker.lag = choices.lag * interval
                    await self._round()
                await pause(over, choices.pause * interval)
        finally:
            await self._speaker.forget()

    async def _round(self) -> None:
        machine, told = self._machine, self._machine.told()
        try:
            machine.entered = await self._speaker.enter(told)
            if not machine.entered:
                return
            offer = await self._speaker.ask(told)
            if offer is None:
                return
            machine.offered += 1
            await self._follow(offer)
        except Unreachable:
            pass  # counted; the next round tries again
        except DownloadRefused as error:
            self._tally.events[f"downloads refused with {error}"] += 1
        except ForeignLink:
            self._tally.events["links to other servers, not followed"] += 1

    async def _follow(self, offer: Offer) -> None:
        """Install what was offered, or do what the script says instead."""
        machine = self._machine
        version = await self._speaker.version_of(offer)
        if machine.script.lie == "version":
            machine.claimed = version
            await self._speaker.report(offer, installed=True)
            return
        machine.attempts += 1
        deaths = machine.script.deaths
        death = deaths[machine.attempts - 1] if machine.attempts <= len(deaths) else None
        whole = await self._fetched(offer, death)
        if death is not None:
            await self._die(death)
            return
        if not whole or version is None or Fault.FAILING in machine.script.faults:
            machine.failed += 1
            await self._speaker.report(offer, installed=False)
            return
        machine.version = version
        machine.installed += 1
        await self._speaker.report(offer, installed=True)

    async def _fetched(self, offer: Offer, death: Death | None) -> bool:
        """Fetch the file, if there is one to fetch; say whether it is what was announced."""
        if not self._downloads or offer.link is None:
            return True
        if self._partial is None or self._partial.announced != offer.sha256:
            self._partial = Download(offer.link, offer.sha256)
        download = self._partial
        download.link = offer.link  # its signature is another one with time
        until = 1.0 if death is None else death.at
        if not await self._speaker.fetch(download, until=until):
            return False
        self._partial = None
        if download.announced not in (None, download.sha256):
            self._tally.events["files that are not what was announced"] += 1
            return False
        return True

    async def _die(self, death: Death) -> None:
        self._machine.died += 1
        self._dead_rounds = death.rounds
        if not death.keeps:
            self._partial = None
        await self._speaker.forget()


async def pause(over: asyncio.Event, seconds: float) -> None:
    """Wait that long, or until it is over."""
    try:
        async with asyncio.timeout(seconds):
            await over.wait()
    except TimeoutError:
        pass
