"""What devices report about themselves: compared first, written only if it says something new.

A device may write in a burst, then once per interval. Over that, a report is kept and written
when it is due (the latest wins), or refused, as the dialect wishes.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any, Literal
from weakref import WeakValueDictionary

import structlog

from polyfleet.api.core.errors import Invalid, NotFound, RateLimited, Unavailable, from_api_error
from polyfleet.api.core.identity.clock import Monotonic, monotonic_clock
from polyfleet.api.core.rate_limits import TokenBuckets
from polyfleet.api.core.report import Report, combined, shown, supersede
from polyfleet.api.core.updates import Failure, OfferMade, is_news, update_change
from polyfleet.api.settings import ReportSettings
from polyfleet.fleet.attributes import Attribute, merge_source, mirrored_labels, replace_source
from polyfleet.fleet.instants import timestamp
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.kinds import DEVICES
from polyfleet.fleet.objects.package import Package
from polyfleet.kube import errors as kube
from polyfleet.kube.store import Store
from polyfleet.kube.writer import Writer

TICK = 0.5
PARALLEL_WRITES = 8
_PAUSE = 0.1
MAXIMUM_KEPT = 50_000
"""Reports kept for later; beyond it reports are refused rather than lost."""

Excess = Literal["keep", "refuse"]

log = structlog.get_logger("polyfleet.reports")


class ReportWriter:
    """Writes reports to `status` of Devices, and chosen attributes to their labels."""

    def __init__(
        self,
        store: Store[Device],
        writer: Writer,
        *,
        clock: Callable[[], datetime],
        monotonic: Monotonic = monotonic_clock,
        settings: ReportSettings,
        attribute_labels: Sequence[str] = (),
        packages: Store[Package] | None = None,
    ) -> None:
        self._store = store
        self._packages = packages
        self._writer = writer
        self._clock = clock
        self._monotonic = monotonic
        self._labels = tuple(attribute_labels)
        self._budget = max(1, int(settings.writes_per_second * TICK))
        self._buckets = TokenBuckets(burst=settings.burst, interval=settings.interval)
        self._patience = settings.patience
        self._kept: dict[str, dict[str, Report]] = {}
        # One write of a device at a time, so that none overtakes an older one; a lock goes with
        # the last who wants it.
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def replace(
        self,
        device: Device,
        source: str,
        attributes: Sequence[Attribute],
        *,
        version: str | None = None,
        capabilities: Mapping[str, bool] | None = None,
        excess: Excess = "keep",
    ) -> Device:
        """Make `attributes` all that `source` says about the device; return the device then.

        Over the device's rate, the device comes back unchanged (`keep`; the report is written
        when it is due) or `RateLimited` is raised (`refuse`). So it is when the API server does
        not answer at once: kept, or `Unavailable` is raised.
        """
        report = Report(
            source=source,
            attributes=tuple(attributes),
            replaces=True,
            version=shown(version),
            capabilities=capabilities,
        )
        return await self._report(device, report, excess)

    async def merge(
        self,
        device: Device,
        source: str,
        attributes: Sequence[Attribute],
        *,
        version: str | None = None,
        capabilities: Mapping[str, bool] | None = None,
        excess: Excess = "refuse",
    ) -> Device:
        """Add `attributes` to what `source` says about the device, as `replace` otherwise."""
        report = Report(
            source=source,
            attributes=tuple(attributes),
            version=shown(version),
            capabilities=capabilities,
        )
        return await self._report(device, report, excess)

    def offered(
        self,
        device: Device,
        package: str,
        rollout: str | None = None,
        rollout_uid: str | None = None,
    ) -> None:
        """Note that the device was offered the Package of that object name, if that is new.

        `rollout` and `rollout_uid` are name and uid of the Rollout that brought it, if one did.
        """
        if is_news(device.status.update, package, rollout_uid):
            made = OfferMade(package, timestamp(self._clock()), rollout, rollout_uid)
            self._note_update(device, Report(source="", offered=made))

    async def failed(self, device: Device, package: str, reason: str) -> Device:
        """Write that the device could not install the Package of that object name, and why.

        A rollout does not offer it that package again until somebody retries it or the rollout is
        planned anew (docs/rollouts.md). Over the device's rate it is written when it is due;
        `RateLimited` is raised if too much waits already. Returns the device as it is then.
        """
        report = Report(source="", failed=Failure(package, reason))
        return await self._report(device, report, "keep")

    def progress(self, device: Device, progress: int) -> None:
        """Note how far the device is, in per cent, with what it was offered last."""
        self._note_update(device, Report(source="", progress=progress))

    def _note_update(self, device: Device, report: Report) -> None:
        uid = device.metadata.uid
        waits = uid in self._kept or self._is_written(uid)
        if waits or self._changes(device, report) is not None:
            with suppress(RateLimited):  # only news of the update is lost, not the update
                self._keep(device, report)

    async def run(self) -> None:
        """Write the reports that were kept, as they fall due, for ever."""
        while True:
            await asyncio.sleep(TICK)
            try:
                await self.flush(limit=self._budget)
            except Exception:
                log.exception("reports not written")

    @property
    def pending(self) -> int:
        """How many devices have reports that are not written yet."""
        return len(self._kept)

    async def flush(self, *, limit: int) -> int:
        """Write at most `limit` kept reports that are due; return how many devices that were."""
        if self._writer.away:
            return 0
        now = self._monotonic()
        due: list[str] = []
        for uid in self._kept:
            if len(due) == limit:
                break
            if self._buckets.take(uid, now):
                due.append(uid)
        await self._write_kept(due)
        return len(due)

    async def drain(self, *, seconds: float) -> None:
        """Write all kept reports, due or not, within so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                while self._kept:
                    await self._write_kept(list(self._kept))
                    await asyncio.sleep(_PAUSE if self._kept else 0)
        except TimeoutError:
            log.warning("reports not written", devices=len(self._kept))

    async def _report(self, device: Device, report: Report, excess: Excess) -> Device:
        uid = device.metadata.uid
        waits = report.source in self._kept.get(uid, {}) or self._is_written(uid)
        unchanged = self._changes(device, report) is None and not waits
        if excess == "keep" and self._writer.away:
            if not unchanged:
                self._keep(device, report)
            return device
        if unchanged:
            return await self._mirror(device)
        if self._buckets.take(uid, self._monotonic()):
            return await self._write_on_top(device, report, excess)
        if excess == "refuse":
            wait = self._buckets.interval
            raise RateLimited(f"a device may report once in {wait:g} seconds", wait)
        self._keep(device, report)
        return device

    async def _write_on_top(self, device: Device, report: Report, excess: Excess) -> Device:
        """Write the report together with what waits of its source.

        What waited does so again if that fails; so does the report where it may (`keep`), and if
        it takes too long.
        """
        uid = device.metadata.uid
        older, versions, whole = None, tuple[Report, ...](), None
        try:
            async with (
                asyncio.timeout(self._patience if excess == "keep" else None),
                self._turn_of(uid),
            ):
                older, versions = self._take(uid, report)
                whole = combined(older, report)
                return await self._write(device, whole)
        except (TimeoutError, Unavailable) as error:
            if excess == "refuse":
                self._put_back(uid, older, *versions)
                raise
            log.info("report kept for later", reason=str(error) or "no answer at once")
            if whole is None:  # it had no turn yet, so it is newer than all that waits
                self._keep(device, report)
                return device
            if older is None:
                self._require_room(uid)
            self._put_back(uid, whole)
            return device
        except BaseException:
            self._put_back(uid, older, *versions)
            raise

    def _take(self, uid: str, report: Report) -> tuple[Report | None, tuple[Report, ...]]:
        """Take out what the report goes on top of, and the versions that it supersedes."""
        waiting = self._kept.get(uid, {})
        older = waiting.pop(report.source, None)
        versions = tuple(
            Report(source=other.source, version=other.version)
            for other in waiting.values()
            if report.version is not None and other.version is not None
        )
        supersede(waiting, report)
        if not waiting:
            self._kept.pop(uid, None)
        return older, versions

    def _is_written(self, uid: str) -> bool:
        lock = self._turns.get(uid)
        return lock is not None and lock.locked()

    def _turn_of(self, uid: str) -> asyncio.Lock:
        lock = self._turns.get(uid)
        if lock is None:
            lock = self._turns[uid] = asyncio.Lock()
        return lock

    def _require_room(self, uid: str) -> None:
        if uid not in self._kept and len(self._kept) >= MAXIMUM_KEPT:
            raise RateLimited("too many reports wait to be written", self._buckets.interval)

    def _keep(self, device: Device, report: Report) -> None:
        uid = device.metadata.uid
        self._require_room(uid)
        reports = self._kept.setdefault(uid, {})
        supersede(reports, report)
        reports[report.source] = combined(reports.get(report.source), report)

    async def _write_kept(self, uids: Sequence[str]) -> None:
        gate = asyncio.Semaphore(PARALLEL_WRITES)

        async def write(uid: str) -> None:
            async with gate:
                await self._write_kept_of(uid)

        async with asyncio.TaskGroup() as group:
            for uid in uids:
                group.create_task(write(uid))

    async def _write_kept_of(self, uid: str) -> None:
        async with self._turn_of(uid):
            left = self._kept.pop(uid, {})
            try:
                for report in tuple(left.values()):
                    if await self._is_done_with(uid, report):
                        del left[report.source]
            finally:
                self._put_back(uid, *left.values())

    async def _is_done_with(self, uid: str, report: Report) -> bool:
        """Write a report that was kept; return False if it is to be tried again."""
        device = self._store.by_uid(uid)
        if device is None:
            return True
        name = device.metadata.name
        try:
            await self._write(device, report)
        except NotFound:
            return True
        except Invalid as error:
            log.warning("report dropped", device=name, source=report.source, error=repr(error))
            return True
        except Exception as error:  # noqa: BLE001 - a report is tried again, not lost
            log.warning("report not written", device=name, error=repr(error))
            return False
        return True

    def _put_back(self, uid: str, *reports: Report | None) -> None:
        """Keep reports that are older than all that is kept of the device."""
        for report in filter(None, reports):
            waiting = self._kept.setdefault(uid, {})
            newer = waiting.get(report.source)
            told = any(other.version is not None for other in waiting.values())
            older = replace(report, version=None) if told else report
            waiting[report.source] = older if newer is None else combined(older, newer)

    async def _write(self, device: Device, report: Report) -> Device:
        uid = device.metadata.uid

        def decide(current: Device) -> Mapping[str, Any] | None:
            if current.metadata.uid != uid:
                raise NotFound("the device was removed")
            changes = self._changes(current, report)
            if changes is None:
                return None
            if current.status.serial is None and current.metadata.serial is not None:
                # A label can be lost with any edit of the object; the status stays.
                changes["serial"] = current.metadata.serial
            return {"status": changes}

        try:
            written = await self._writer.update(
                DEVICES, device.metadata.name, decide, subresource="status"
            )
        except kube.ApiError as error:
            raise from_api_error(error) from error
        return await self._mirror(written)

    async def _mirror(self, device: Device) -> Device:
        if not self._labels or not mirrored_labels(device, self._labels):
            return device
        uid = device.metadata.uid

        def decide(current: Device) -> Mapping[str, Any] | None:
            if current.metadata.uid != uid:
                raise NotFound("the device was removed")
            labels = mirrored_labels(current, self._labels)
            return {"metadata": {"labels": labels}} if labels else None

        try:
            return await self._writer.update(DEVICES, device.metadata.name, decide)
        except kube.ApiError as error:
            raise from_api_error(error) from error

    def _changes(self, device: Device, report: Report) -> dict[str, Any] | None:
        status = device.status
        at = timestamp(self._clock())
        changes: dict[str, Any] = {}
        if report.attributes is not None:
            rule = replace_source if report.replaces else merge_source
            reported = rule(status.reported, report.source, report.attributes, at)
            if reported is not None:
                changes["reported"] = reported
        running = status.software.version if status.software is not None else None
        if report.version is not None and report.version != running:
            changes["software"] = {"version": report.version, "at": at}
        if report.capabilities is not None and dict(report.capabilities) != status.capabilities:
            gone = dict.fromkeys(status.capabilities.keys() - report.capabilities.keys())
            changes["capabilities"] = {**gone, **report.capabilities}
        version = report.version if report.version is not None else running
        update = update_change(
            status.update,
            offered=report.offered,
            progress=report.progress,
            failed=report.failed,
            at=at,
            runs=lambda package: version is not None and self._version_of(package) == version,
        )
        if update is not None:
            changes["update"] = update
        return changes or None

    def _version_of(self, package: str) -> str | None:
        found = self._packages.get(package) if self._packages is not None else None
        return found.spec.version if found is not None else None
