"""Devices that ask to be let in: stored within limits, found again, and told apart by their key."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, NamedTuple

import structlog

from polyfleet.api.core.activity import Activity
from polyfleet.api.core.identity.clock import Monotonic, monotonic_clock
from polyfleet.api.core.rate_limits import TokenBuckets
from polyfleet.api.settings import EnrollmentSettings, ReportSettings
from polyfleet.fleet.attributes import Attribute, decode, documents
from polyfleet.fleet.instants import timestamp
from polyfleet.fleet.keys import fingerprint
from polyfleet.fleet.names import enrollment_name
from polyfleet.fleet.objects.enrollment import Enrollment, EnrollmentSpec
from polyfleet.fleet.objects.kinds import ENROLLMENTS
from polyfleet.fleet.objects.metadata import APPLICATION_LABEL, ObjectMeta
from polyfleet.fleet.waiting_room import Limits, Refuse, Replace, WaitingRoom
from polyfleet.kube import errors as kube
from polyfleet.kube.changes import Change
from polyfleet.kube.store import Store
from polyfleet.kube.writer import Writer

_DEVICE = "application and id"
_LARGEST_CREATING = 64
_ATTEMPTS = 4

log = structlog.get_logger("polyfleet.enrollments")


class Candidate(NamedTuple):
    """A device that asks, with which key; `key` is the fingerprint of `public_key`."""

    application: str
    device_id: str
    public_key: str
    key: str
    source_address: str | None
    attributes: tuple[Attribute, ...]


class Enrollments:
    """The waiting room. Nothing here raises for want of room: a device asks again anyway."""

    def __init__(
        self,
        store: Store[Enrollment],
        writer: Writer,
        appearances: Activity[Enrollment],
        *,
        clock: Callable[[], datetime],
        limits: EnrollmentSettings,
        reports: ReportSettings,
        monotonic: Monotonic = monotonic_clock,
    ) -> None:
        self._store = store
        self._writer = writer
        self._appearances = appearances
        self._clock = clock
        self._monotonic = monotonic
        room = Limits(
            per_source=limits.maximum_per_source,
            per_device=limits.maximum_per_device,
            total=limits.maximum,
        )
        self._room = WaitingRoom(room, store.values())
        store.subscribe(self._note)
        self._buckets = TokenBuckets(burst=reports.burst, interval=reports.interval)
        self._creating: set[str] = set()
        store.add_index(_DEVICE, _device)

    async def ask(self, candidate: Candidate) -> None:
        """Note that a device asks to be let in; what cannot be stored is logged."""
        if self._writer.away:
            log.info("enrollment not written", error="the API server is away")
            return
        try:
            known = self.find(candidate.application, candidate.device_id, candidate.key)
            if known is None:
                await self._create(candidate)
                return
            self._appearances.seen(known)
            await self._refresh(known, candidate)
        except kube.ApiError as error:
            log.warning("enrollment not written", error=error.reason)

    def find(self, application: str, device_id: str, key: str) -> Enrollment | None:
        """Return who waits under that id with the key of that fingerprint."""
        name = enrollment_name(application, device_id, key)
        for item in self.waiting(application, device_id):
            if item.metadata.name == name or _key_of(item) == key:
                return item
        return None

    def waiting(self, application: str, device_id: str) -> Sequence[Enrollment]:
        """Return all that ask under one id."""
        return [
            item
            for item in self._store.find(_DEVICE, (application, device_id))
            if not item.metadata.terminating
        ]

    def pending(self) -> Iterator[Enrollment]:
        """Yield, in the order of their birth, all that nobody has decided about."""
        found = [
            item
            for item in self._store.values()
            if item.spec.approval is None and not item.metadata.terminating
        ]
        yield from sorted(found, key=_birth)

    async def _create(self, candidate: Candidate) -> None:
        name = enrollment_name(candidate.application, candidate.device_id, candidate.key)
        if name in self._creating or len(self._creating) >= _LARGEST_CREATING:
            return
        spec = _spec(candidate, timestamp(self._clock()))
        planned = _planned(name, candidate)
        if not await self._make_room(planned):
            return
        self._creating.add(name)
        self._room.put(planned)
        try:
            with suppress(kube.AlreadyExists):
                made = await self._writer.create(
                    ENROLLMENTS,
                    name,
                    spec,
                    labels={APPLICATION_LABEL: candidate.application},
                )
                self._appearances.seen(made)
        except kube.Invalid as error:
            log.warning("enrollment refused", error=error.message)
        finally:
            self._creating.discard(name)
            self._room.remove(name)
            stored = self._store.get(name)
            if stored is not None:
                self._room.put(stored)

    async def _make_room(self, planned: Enrollment) -> bool:
        for _ in range(_ATTEMPTS):
            verdict = self._room.admit(planned)
            if isinstance(verdict, Refuse):
                log.info("enrollment refused", reason=verdict.reason)
                return False
            if not isinstance(verdict, Replace) or await self._drop(verdict.enrollment):
                return True
        return False

    async def _drop(self, enrollment: Enrollment) -> bool:
        """Delete it as it was when it was chosen; False if it has changed, or is gone.

        It may have been approved meanwhile: such a one must not go.
        """
        name = enrollment.metadata.name
        try:
            await self._writer.delete(ENROLLMENTS, enrollment)
        except kube.Conflict:
            with suppress(kube.NotFound):
                await self._writer.read(ENROLLMENTS, name)
            return False
        log.info("enrollment dropped for another", name=name)
        return True

    def _note(self, change: Change[Enrollment]) -> None:
        if change.new is not None:
            self._room.put(change.new)
        elif change.old is not None:
            self._room.remove(change.old.metadata.name)

    async def _refresh(self, known: Enrollment, candidate: Candidate) -> None:
        if decode(known.spec.metadata) == candidate.attributes:
            return
        if not self._buckets.take(known.metadata.uid, self._monotonic()):
            return

        def decide(current: Enrollment) -> Mapping[str, Any] | None:
            if current.metadata.uid != known.metadata.uid:
                return None
            return {"spec": {"metadata": documents(candidate.attributes)}}

        with suppress(kube.Conflict, kube.NotFound):
            await self._writer.update(ENROLLMENTS, known.metadata.name, decide)


def _spec(candidate: Candidate, at: str) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "application": candidate.application,
        "deviceId": candidate.device_id,
        "publicKey": candidate.public_key,
        "createdAt": at,
        "metadata": documents(candidate.attributes),
    }
    if candidate.source_address is not None:
        spec["sourceAddress"] = candidate.source_address
    return spec


def _planned(name: str, candidate: Candidate) -> Enrollment:
    return Enrollment(
        metadata=ObjectMeta(name=name),
        spec=EnrollmentSpec(
            application=candidate.application,
            device_id=candidate.device_id,
            public_key=candidate.public_key,
            source_address=candidate.source_address,
        ),
    )


def _device(item: Enrollment) -> Iterable[Hashable]:
    yield item.spec.application, item.spec.device_id


def _key_of(item: Enrollment) -> str | None:
    try:
        return fingerprint(item.spec.public_key)
    except ValueError:
        return None


def _birth(item: Enrollment) -> tuple[str, str]:
    return item.spec.created_at or item.metadata.creation_timestamp, item.metadata.name
