"""Reports that wait while the device goes on to report: none is lost, none undoes a newer one."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from polyfleet.api.core.errors import Invalid
from polyfleet.api.core.reports import ReportWriter
from polyfleet.api.settings import ReportSettings
from polyfleet.fleet.attributes import VERSION_KEY, Attribute, attributes_of, merged, text
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.kinds import DEVICES, Kind, Object
from polyfleet.kube.writer import Writer
from tests.api.core.conftest import Clock, Namespace

BURST = 3
INTERVAL = 10.1
REFUSED = {f"capability {number}": True for number in range(65)}
"""More capabilities than the API server takes."""


class Gate(Writer):
    """A writer that holds the next writes before the API server hears of them."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.reached = asyncio.Event()
        self.opened = asyncio.Event()
        self._holds = 0

    def close(self, writes: int = 1) -> None:
        self._holds = writes

    async def patch(
        self, kind: Kind[Object], item: Object, patch: Mapping[str, Any], **options: Any
    ) -> Object:
        if self._holds:
            self._holds -= 1
            self.reached.set()
            await self.opened.wait()
        return await super().patch(kind, item, patch, **options)


@pytest.fixture
def gate(fleet: Namespace) -> Gate:
    return Gate(fleet.client, fleet.cache)


MakeReports = Callable[[float], ReportWriter]


@pytest.fixture
def patient(fleet: Namespace, gate: Gate, clock: Clock) -> MakeReports:
    def make(patience: float) -> ReportWriter:
        settings = ReportSettings(burst=BURST, interval=10, patience=patience)
        return ReportWriter(
            fleet.cache.devices, gate, clock=clock, monotonic=clock.monotonic, settings=settings
        )

    return make


@pytest.fixture
def reports(patient: MakeReports) -> ReportWriter:
    return patient(60)


def said(**values: object) -> tuple[Attribute, ...]:
    return attributes_of(values)


async def spend_burst(reports: ReportWriter, device: Device) -> Device:
    for number in range(BURST):
        device = await reports.replace(device, "rdfm", said(n=f"burst {number}"))
    return device


async def stored(fleet: Namespace, device: Device) -> Device:
    return await fleet.client.get(DEVICES, device.metadata.name)


async def known(fleet: Namespace, device: Device) -> dict[str, object]:
    item = await stored(fleet, device)
    return {name: text(attribute.value) for name, attribute in merged(item).items()}


async def held(gate: Gate, work: Awaitable[Any]) -> asyncio.Future[Any]:
    """Begin what writes, and return once that write is on its way."""
    gate.close()
    working = asyncio.ensure_future(work)
    await gate.reached.wait()
    return working


async def test_capabilities_that_wait_are_written_with_the_next_metadata(
    fleet: Namespace, reports: ReportWriter, clock: Clock
) -> None:
    device = await spend_burst(reports, await fleet.device("a"))
    await reports.merge(device, "rdfm", (), capabilities={"shell": True}, excess="keep")
    clock.advance(INTERVAL)
    answer = await reports.replace(device, "rdfm", said(site="berlin"), version="v1")
    assert answer.status.capabilities == {"shell": True}
    assert await known(fleet, device) == {"site": "berlin", VERSION_KEY: "v1"}
    assert reports.pending == 0


async def test_metadata_that_waits_is_written_with_the_next_version(
    fleet: Namespace, reports: ReportWriter, clock: Clock
) -> None:
    device = await spend_burst(reports, await fleet.device("a"))
    await reports.replace(device, "rdfm", said(a="1", b="1"))
    clock.advance(INTERVAL)
    told = said(**{VERSION_KEY: "v2"})
    await reports.merge(device, "rdfm", told, version="v2", excess="keep")
    assert await known(fleet, device) == {"a": "1", "b": "1", VERSION_KEY: "v2"}


async def test_what_waits_outlives_a_report_that_is_refused(
    fleet: Namespace, reports: ReportWriter, clock: Clock
) -> None:
    device = await spend_burst(reports, await fleet.device("a"))
    await reports.merge(device, "inventory", said(b="1"), version="v1", excess="keep")
    await reports.merge(device, "rdfm", said(a="1"), excess="keep")
    clock.advance(INTERVAL)
    with pytest.raises(Invalid):
        await reports.merge(device, "rdfm", (), version="v2", capabilities=REFUSED)
    clock.advance(INTERVAL)
    await reports.flush(limit=10)
    assert await known(fleet, device) == {"n": "burst 2", "a": "1", "b": "1", VERSION_KEY: "v1"}


async def test_a_version_told_while_a_newer_report_is_refused_counts(
    fleet: Namespace, reports: ReportWriter, gate: Gate, clock: Clock
) -> None:
    device = await reports.replace(await fleet.device("a"), "rdfm", said(a="1"))
    for _ in range(BURST - 2):
        device = await reports.merge(device, "rdfm", said(a="2"))
    refused = reports.merge(device, "rdfm", (), version="v2", capabilities=REFUSED)
    refusing = await held(gate, refused)
    await reports.merge(device, "otao", (), version="v3", excess="keep")
    gate.opened.set()
    with pytest.raises(Invalid):
        await refusing
    clock.advance(INTERVAL)
    await reports.flush(limit=10)
    assert (await known(fleet, device))[VERSION_KEY] == "v3"


async def test_a_report_does_not_overtake_the_one_that_is_being_written(
    fleet: Namespace, reports: ReportWriter, gate: Gate, clock: Clock
) -> None:
    device = await spend_burst(reports, await fleet.device("a"))
    await reports.replace(device, "rdfm", said(n="kept"))
    clock.advance(2 * INTERVAL)
    flushing = await held(gate, reports.flush(limit=10))
    newer = asyncio.ensure_future(reports.replace(device, "rdfm", said(n="newer")))
    await asyncio.wait({newer}, timeout=0.5)
    gate.opened.set()
    await asyncio.gather(flushing, newer)
    assert await known(fleet, device) == {"n": "newer"}
    assert reports.pending == 0


async def test_what_a_device_takes_back_while_it_is_written_does_not_stay(
    fleet: Namespace, reports: ReportWriter, gate: Gate
) -> None:
    device = await reports.replace(await fleet.device("a"), "rdfm", said(n="1"))
    writing = await held(gate, reports.replace(device, "rdfm", said(n="2")))
    back = asyncio.ensure_future(reports.replace(device, "rdfm", said(n="1")))
    await asyncio.wait({back}, timeout=0.5)
    gate.opened.set()
    await asyncio.gather(writing, back)
    assert await known(fleet, device) == {"n": "1"}


async def test_reports_that_take_too_long_are_written_later_in_their_order(
    fleet: Namespace, patient: MakeReports, gate: Gate, clock: Clock
) -> None:
    device = await fleet.device("a")
    reports = patient(0.05)
    gate.close(writes=2)
    told = reports.replace(device, "rdfm", said(a="1", b="1"), capabilities={"shell": True})
    assert await told is device
    assert await reports.merge(device, "rdfm", said(b="2"), version="v2", excess="keep") is device
    assert reports.pending == 1
    gate.opened.set()
    await reports.flush(limit=10)
    assert await known(fleet, device) == {"a": "1", "b": "2", VERSION_KEY: "v2"}
    assert (await stored(fleet, device)).status.capabilities == {"shell": True}


async def test_a_report_that_waits_for_its_turn_too_long_is_the_latest_all_the_same(
    fleet: Namespace, patient: MakeReports, gate: Gate, clock: Clock
) -> None:
    device = await spend_burst(patient(60), await fleet.device("a"))
    reports = patient(0.05)
    reports.offered(device, "p")
    flushing = await held(gate, reports.flush(limit=10))
    for number in range(BURST + 1):
        await reports.replace(device, "rdfm", said(n=f"kept {number}"))
    clock.advance(INTERVAL)
    await reports.replace(device, "rdfm", said(n="latest"))
    gate.opened.set()
    await flushing
    clock.advance(INTERVAL)
    await reports.flush(limit=10)
    assert await known(fleet, device) == {"n": "latest"}


async def test_what_waits_is_still_there_if_writing_it_is_cut_off(
    fleet: Namespace, reports: ReportWriter, gate: Gate, clock: Clock
) -> None:
    device = await spend_burst(reports, await fleet.device("a"))
    await reports.replace(device, "rdfm", said(n="kept"))
    clock.advance(INTERVAL)
    flushing = await held(gate, reports.flush(limit=10))
    flushing.cancel()
    await asyncio.gather(flushing, return_exceptions=True)
    gate.opened.set()
    clock.advance(INTERVAL)
    await reports.flush(limit=10)
    assert await known(fleet, device) == {"n": "kept"}


async def test_a_report_that_the_api_server_refuses_is_dropped(
    fleet: Namespace, reports: ReportWriter, clock: Clock
) -> None:
    device = await spend_burst(reports, await fleet.device("a"))
    await reports.merge(device, "rdfm", (), capabilities=REFUSED, excess="keep")
    await reports.merge(device, "inventory", said(a="1"), excess="keep")
    clock.advance(INTERVAL)
    assert await reports.flush(limit=10) == 1
    assert reports.pending == 0
    assert await known(fleet, device) == {"n": "burst 2", "a": "1"}
