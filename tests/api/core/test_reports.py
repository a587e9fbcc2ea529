"""Reports of devices: compared, limited, written, never lost without a word."""

from collections.abc import Callable

import pytest

from polyfleet.api.core.errors import NotFound, RateLimited
from polyfleet.api.core.reports import ReportWriter
from polyfleet.api.settings import ReportSettings
from polyfleet.fleet.attributes import VERSION_KEY, Attribute, attributes_of, merged, text
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.kinds import DEVICES, PACKAGES
from polyfleet.fleet.objects.metadata import SERIAL_LABEL
from polyfleet.kube.compaction import compact
from tests.api.core.conftest import Clock, Namespace

BURST = 3

MakeReports = Callable[..., ReportWriter]


@pytest.fixture
def make_reports(fleet: Namespace, clock: Clock) -> MakeReports:
    def make(*labels: str) -> ReportWriter:
        return ReportWriter(
            fleet.cache.devices,
            fleet.writer,
            clock=clock,
            monotonic=clock.monotonic,
            settings=ReportSettings(burst=BURST, interval=10, patience=60),
            packages=fleet.cache.packages,
            attribute_labels=labels,
        )

    return make


@pytest.fixture
def reports(make_reports: MakeReports) -> ReportWriter:
    return make_reports()


def said(**values: object) -> tuple[Attribute, ...]:
    return attributes_of(values)


async def known(fleet: Namespace, device: Device) -> dict[str, object]:
    """Return the attributes as the API server has them."""
    item = await fleet.client.get(DEVICES, device.metadata.name)
    return {name: text(attribute.value) for name, attribute in merged(item).items()}


async def version(fleet: Namespace, device: Device) -> str | None:
    item = await fleet.client.get(DEVICES, device.metadata.name)
    return item.status.software.version if item.status.software is not None else None


async def spend_burst(reports: ReportWriter, device: Device) -> Device:
    for number in range(BURST):
        device = await reports.replace(device, "rdfm", said(n=f"burst {number}"))
    return device


async def test_a_report_is_written_before_it_is_answered(
    fleet: Namespace, reports: ReportWriter
) -> None:
    device = await fleet.device("a")
    answer = await reports.replace(
        device, "rdfm", said(site="berlin"), version="v1", capabilities={"shell": True}
    )
    assert answer.status.capabilities == {"shell": True}
    assert answer.status.software is not None
    assert answer.status.software.version == "v1"
    assert await known(fleet, device) == {"site": "berlin", VERSION_KEY: "v1"}
    assert fleet.cache.devices.get(device.metadata.name) == compact(answer)


async def test_the_first_report_keeps_the_serial_where_no_edit_loses_it(
    fleet: Namespace, reports: ReportWriter
) -> None:
    device = await fleet.device("a")
    numbered = {"metadata": {"labels": {SERIAL_LABEL: "17"}}}
    device = await fleet.writer.patch(DEVICES, device, numbered)
    answer = await reports.replace(device, "rdfm", said(site="berlin"))
    assert answer.status.serial == 17


async def test_a_report_that_says_nothing_new_writes_nothing(
    fleet: Namespace, reports: ReportWriter, clock: Clock
) -> None:
    device = await reports.replace(await fleet.device("a"), "rdfm", said(a="1"), version="v1")
    for _ in range(2 * BURST):
        clock.advance(1)
        again = await reports.replace(device, "rdfm", said(a="1"), version="v1")
        assert again is device
    stored = await fleet.stored(device)
    assert stored["metadata"]["resourceVersion"] == device.metadata.resource_version


async def test_a_version_is_written_so_that_it_can_be_shown(
    fleet: Namespace, reports: ReportWriter, clock: Clock
) -> None:
    odd = "1.0\x1b[2K\n"
    told = said(**{VERSION_KEY: odd})
    device = await reports.replace(await fleet.device("a"), "rdfm", told, version=odd)
    assert await version(fleet, device) == "1.0␛[2K␊"
    assert await known(fleet, device) == {VERSION_KEY: odd}
    assert await reports.replace(device, "rdfm", told, version=odd) is device
    await reports.merge(device, "otao", (), version="\x00" * 1024)
    assert await version(fleet, device) == "␀" * 1024


async def test_a_source_replaces_only_its_own(fleet: Namespace, reports: ReportWriter) -> None:
    device = await fleet.device("a")
    device = await reports.replace(device, "rdfm", said(a="1", b="1"))
    device = await reports.merge(device, "inventory", said(c="1"))
    await reports.replace(device, "rdfm", said(b="2"))
    assert await known(fleet, device) == {"b": "2", "c": "1"}


async def test_a_source_that_merges_keeps_what_it_said_before(
    fleet: Namespace, reports: ReportWriter
) -> None:
    device = await fleet.device("a")
    device = await reports.merge(device, "inventory", said(a="1", b="1"))
    await reports.merge(device, "inventory", said(b="2"))
    assert await known(fleet, device) == {"a": "1", "b": "2"}


async def test_capabilities_that_are_gone_are_taken_away(
    fleet: Namespace, reports: ReportWriter
) -> None:
    device = await fleet.device("a")
    device = await reports.replace(device, "rdfm", (), capabilities={"shell": True, "fs": True})
    device = await reports.replace(device, "rdfm", (), capabilities={"fs": False})
    assert device.status.capabilities == {"fs": False}


async def test_a_report_that_knew_an_older_device_is_still_written(
    fleet: Namespace, reports: ReportWriter
) -> None:
    device = await fleet.device("a")
    await fleet.client.patch(DEVICES, device.metadata.name, {"spec": {"hold": True}})
    await reports.replace(device, "rdfm", said(a="1"))
    stored = await fleet.stored(device)
    assert stored["spec"]["hold"]
    assert stored["status"]["reported"][0]["name"] == "a"


@pytest.mark.parametrize("set_back", [0, 3600])
async def test_over_its_rate_a_report_is_kept_and_the_latest_written_when_due(
    fleet: Namespace, reports: ReportWriter, clock: Clock, set_back: float
) -> None:
    device = await spend_burst(reports, await fleet.device("a"))
    assert await reports.replace(device, "rdfm", said(n="kept")) is device
    assert await reports.replace(device, "rdfm", said(n="latest")) is device
    assert await reports.flush(limit=10) == 0
    assert (await known(fleet, device))["n"] == "burst 2"
    clock.set_back(set_back)
    clock.advance(10.1)
    assert await reports.flush(limit=10) == 1
    assert await known(fleet, device) == {"n": "latest"}
    clock.advance(100)
    assert await reports.flush(limit=10) == 0


async def test_over_its_rate_a_report_is_refused_where_the_dialect_says_so(
    fleet: Namespace, reports: ReportWriter, clock: Clock
) -> None:
    device = await spend_burst(reports, await fleet.device("a"))
    with pytest.raises(RateLimited) as refused:
        await reports.merge(device, "inventory", said(x="1"))
    assert refused.value.retry_after == 10
    clock.advance(100)
    assert await reports.flush(limit=10) == 0
    assert "x" not in await known(fleet, device)


async def test_a_report_written_at_once_overtakes_the_one_that_was_kept(
    fleet: Namespace, reports: ReportWriter, clock: Clock
) -> None:
    device = await spend_burst(reports, await fleet.device("a"))
    await reports.replace(device, "rdfm", said(n="kept"))
    clock.advance(10.1)
    await reports.replace(device, "rdfm", said(n="newer"))
    clock.advance(100)
    await reports.flush(limit=10)
    assert await known(fleet, device) == {"n": "newer"}


async def test_kept_reports_of_two_sources_are_both_written(
    fleet: Namespace, reports: ReportWriter, clock: Clock
) -> None:
    device = await spend_burst(reports, await fleet.device("a"))
    await reports.replace(device, "rdfm", said(n="r"))
    await reports.merge(device, "inventory", said(a="1"), excess="keep")
    await reports.merge(device, "inventory", said(b="1"), excess="keep")
    clock.advance(10.1)
    await reports.flush(limit=10)
    assert await known(fleet, device) == {"n": "r", "a": "1", "b": "1"}


async def test_versions_are_written_together_and_only_the_last_one(
    fleet: Namespace, reports: ReportWriter, clock: Clock
) -> None:
    device = await spend_burst(reports, await fleet.device("a"))
    before = fleet.cache.devices.revision
    for number in range(10):
        await reports.merge(device, "rdfm", (), version=f"v{number}", excess="keep")
    assert await version(fleet, device) is None
    clock.advance(10.1)
    assert await reports.flush(limit=10) == 1
    assert await version(fleet, device) == "v9"
    assert fleet.cache.devices.revision == before + 1


async def test_an_older_version_that_was_kept_does_not_undo_a_newer_one(
    fleet: Namespace, reports: ReportWriter, clock: Clock
) -> None:
    device = await spend_burst(reports, await fleet.device("a"))
    await reports.merge(device, "rdfm", (), version="v1", excess="keep")
    clock.advance(10.1)
    await reports.merge(device, "otao", said(a="1"), version="v2", excess="keep")
    assert await version(fleet, device) == "v2"
    clock.advance(10.1)
    assert await reports.flush(limit=10) == 1
    assert await version(fleet, device) == "v2"


async def test_a_version_that_was_taken_back_before_it_was_written_is_not_written(
    fleet: Namespace, reports: ReportWriter, clock: Clock
) -> None:
    device = await reports.merge(await fleet.device("a"), "rdfm", (), version="v1")
    clock.advance(10.1)
    device = await spend_burst(reports, device)
    await reports.merge(device, "rdfm", (), version="v2", excess="keep")
    await reports.merge(device, "rdfm", (), version="v1", excess="keep")
    clock.advance(10.1)
    assert await reports.flush(limit=10) == 1
    assert await version(fleet, device) == "v1"


async def test_a_batch_keeps_to_its_budget(fleet: Namespace, reports: ReportWriter) -> None:
    for number in range(3):
        reports.offered(await fleet.device(f"d{number}"), "p")
    assert [await reports.flush(limit=2) for _ in range(3)] == [2, 1, 0]


async def test_at_the_end_kept_reports_are_written_due_or_not(
    fleet: Namespace, reports: ReportWriter
) -> None:
    device = await spend_burst(reports, await fleet.device("a"))
    await reports.replace(device, "rdfm", said(n="last words"))
    await reports.drain(seconds=30)
    assert await known(fleet, device) == {"n": "last words"}


async def test_a_chosen_attribute_becomes_a_label(
    fleet: Namespace, make_reports: MakeReports
) -> None:
    reports = make_reports("site")
    device = await reports.replace(await fleet.device("a"), "rdfm", said(site="berlin", x="y"))
    assert device.metadata.labels["attr.polyfleet.dev/site"] == "berlin"
    device = await reports.replace(device, "rdfm", said(x="y"))
    assert "attr.polyfleet.dev/site" not in device.metadata.labels
    stored = await fleet.stored(device)
    assert "attr.polyfleet.dev/x" not in (stored["metadata"].get("labels") or {})


async def test_a_device_cannot_talk_itself_out_of_a_declared_ring(
    fleet: Namespace, make_reports: MakeReports
) -> None:
    reports = make_reports("ring")
    declared = [{"name": "ring", "value": {"string": "production"}}]
    device = await fleet.device("a", attributes=declared)
    device = await reports.replace(device, "rdfm", said(ring="canary"))
    assert device.metadata.labels["attr.polyfleet.dev/ring"] == "production"


async def test_a_report_for_a_removed_device_is_refused(
    fleet: Namespace, reports: ReportWriter
) -> None:
    device = await fleet.device("a")
    await fleet.writer.delete(DEVICES, device)
    with pytest.raises(NotFound):
        await reports.replace(device, "rdfm", said(a="1"))


async def test_a_device_made_again_does_not_get_its_forerunner_s_report(
    fleet: Namespace, reports: ReportWriter
) -> None:
    device = await fleet.device("a")
    await fleet.writer.delete(DEVICES, device)
    successor = await fleet.device("a")
    with pytest.raises(NotFound):
        await reports.replace(device, "rdfm", said(a="1"))
    assert await known(fleet, successor) == {}


async def test_a_kept_report_of_a_removed_device_is_dropped(
    fleet: Namespace, reports: ReportWriter
) -> None:
    device = await fleet.device("a")
    reports.offered(device, "p")
    await fleet.writer.delete(DEVICES, device)
    assert await reports.flush(limit=10) == 1
    assert await reports.flush(limit=10) == 0


async def test_a_device_that_reports_the_version_it_was_offered_has_finished(
    fleet: Namespace, reports: ReportWriter, clock: Clock
) -> None:
    await fleet.writer.create(PACKAGES, "p", {"application": "default", "version": "v2"})
    device = await reports.replace(await fleet.device("a"), "rdfm", (), version="v1")
    # The offer is written later than the report that ends the update.
    reports.offered(device, "p")
    device = await reports.replace(device, "rdfm", (), version="v2")
    clock.advance(100)
    await reports.flush(limit=10)
    update = (await fleet.client.get(DEVICES, device.metadata.name)).status.update
    assert update is not None
    assert (update.package, update.state, update.progress) == ("p", "Finished", 100)


async def test_an_offer_by_another_rollout_goes_on_with_what_was_begun(
    fleet: Namespace, reports: ReportWriter, clock: Clock
) -> None:
    """Whether the first is written by then or still waits to be."""
    device = await fleet.device("a")
    for number, written in enumerate((True, False)):
        reports.offered(device, f"p{number}", "default.a", "uid-a")
        reports.progress(device, 40)
        if written:
            device = await flushed(fleet, reports, clock, device)
        reports.offered(device, f"p{number}", "default.b", "uid-b")
        device = await flushed(fleet, reports, clock, device)
        update = device.status.update
        assert update is not None
        assert (update.rollout, update.rollout_uid) == ("default.b", "uid-b")
        assert (update.state, update.progress, update.attempts) == ("InProgress", 40, 1)
        for _ in range(5):  # nor does it write anything more
            reports.offered(device, f"p{number}", "default.b", "uid-b")
            reports.offered(device, f"p{number}")
        assert reports.pending == 0


async def flushed(fleet: Namespace, reports: ReportWriter, clock: Clock, device: Device) -> Device:
    clock.advance(100)
    assert await reports.flush(limit=10) == 1
    return await fleet.client.get(DEVICES, device.metadata.name)


async def test_a_failure_is_written_at_once_with_its_reason(
    fleet: Namespace, reports: ReportWriter
) -> None:
    await fleet.writer.create(PACKAGES, "p", {"application": "default", "version": "v2"})
    device = await fleet.device("a")
    reports.offered(device, "p", "default.ring")
    await reports.failed(device, "p", "no space left")
    update = (await fleet.client.get(DEVICES, device.metadata.name)).status.update
    assert update is not None
    assert (update.package, update.rollout, update.state) == ("p", "default.ring", "Failed")
    assert (update.message, update.attempts) == ("no space left", 1)


async def test_an_offer_made_before_a_failure_does_not_undo_it(
    fleet: Namespace, reports: ReportWriter, clock: Clock
) -> None:
    other = ReportWriter(fleet.cache.devices, fleet.writer, clock=clock, settings=ReportSettings())
    device = await fleet.device("a")
    reports.offered(device, "p")
    clock.advance(1)
    await other.failed(device, "p", "broken")
    clock.advance(100)
    await reports.flush(limit=10)
    update = (await fleet.client.get(DEVICES, device.metadata.name)).status.update
    assert update is not None
    assert update.state == "Failed"


async def test_a_report_that_cannot_be_written_at_once_is_kept_and_written_later(
    fleet: Namespace, clock: Clock
) -> None:
    hurried = ReportWriter(
        fleet.cache.devices,
        fleet.writer,
        clock=clock,
        settings=ReportSettings(patience=1e-6),
    )
    device = await fleet.device("a")
    assert await hurried.replace(device, "rdfm", said(a="1"), version="v1") is device
    assert hurried.pending == 1
    await hurried.flush(limit=10)
    assert hurried.pending == 0
    assert (await known(fleet, device), await version(fleet, device)) == (
        {"a": "1", VERSION_KEY: "v1"},
        "v1",
    )
