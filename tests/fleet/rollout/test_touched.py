"""What happens to a rollout's devices when they are written to while it goes on."""

from typing import Any

import msgspec
import orjson
import pytest

from polyfleet.fleet.objects.device import Device, Update
from polyfleet.fleet.objects.group import LabelSelector
from polyfleet.fleet.objects.kinds import DEVICES
from polyfleet.fleet.objects.metadata import Condition, ManagedFields, ObjectMeta
from polyfleet.fleet.objects.rollout import OpenedStep, Rollout, RolloutStep
from polyfleet.fleet.rollout.plan import position
from polyfleet.fleet.rollout.progress import next_wait
from polyfleet.fleet.rollout.reach import counted_until, live
from polyfleet.fleet.rollout.tally import Tally, places, standing_of
from polyfleet.kube.codec import codec_of
from polyfleet.kube.compaction import compact
from tests.fleet import make

PACKAGE = make.package("p2", "2.0.0", device_type=None)
OPENED_AT = "2026-06-01T12:00:00Z"
BEFORE, AFTER = "2026-05-01T12:00:00Z", "2026-06-02T12:00:00Z"
LABELS: dict[str, Any] = {"f:metadata": {"f:labels": {".": {}, "f:ring": {}}}}
ANNOTATIONS: dict[str, Any] = {"f:metadata": {"f:annotations": {"f:tick": {}}}}
SPEC: dict[str, Any] = {"f:spec": {"f:pin": {}}}
STATUS: dict[str, Any] = {"f:status": {"f:lastSeen": {}}}
OFFERED = Update(package="p2", rollout="ring", rollout_uid="uid-ring", state="Offered")


def written(*entries: tuple[dict[str, Any], str, str]) -> ObjectMeta:
    """Read a device as the API server sends it, by who wrote what and when, as it is kept."""
    managed = [
        {"fieldsV1": fields, "time": time} | ({"subresource": sub} if sub else {})
        for fields, time, sub in entries
    ]
    document = {
        "metadata": {"name": "d1", "creationTimestamp": BEFORE, "managedFields": managed},
        "spec": {"application": "default", "deviceId": "d1"},
    }
    return compact(codec_of(DEVICES).object(orjson.dumps(document))).metadata


@pytest.mark.parametrize("other", [ANNOTATIONS, SPEC])
def test_only_who_sets_labels_dates_them(other: dict[str, Any]) -> None:
    meta = written((LABELS, BEFORE, ""), (other, AFTER, ""), (STATUS, AFTER, "status"))
    assert (meta.labelled_at, meta.changed_at) == (BEFORE, AFTER)


def test_a_label_that_was_set_later_dates_them() -> None:
    meta = written((LABELS, BEFORE, ""), (SPEC, BEFORE, ""), (LABELS, AFTER, ""))
    assert (meta.labelled_at, meta.changed_at) == (AFTER, AFTER)


def test_labels_that_nobody_set_have_no_date() -> None:
    assert written((SPEC, AFTER, "")).labelled_at == ""


def device(name: str, *, labelled: str = BEFORE, update: Update | None = None) -> Device:
    made = make.device(name, version="1.0.0")
    meta = msgspec.structs.replace(made.metadata, managed_fields=(ManagedFields(time=labelled),))
    status = msgspec.structs.replace(made.status, update=update)
    return msgspec.structs.replace(made, metadata=meta, status=status)


def rollout(*steps: RolloutStep, frontier: float = 1.0, population: int = 4) -> Rollout:
    opened = OpenedStep(population=population, frontier=frontier, opened_at=OPENED_AT)
    return make.rollout(steps=steps, opened=(opened,))


ONE_OF_ALL = RolloutStep(limit=1)


def tally(found: Rollout, *devices: Device) -> Tally:
    counted = Tally()
    for item in devices:
        counted.add(item, standing_of(live(found, {}), PACKAGE, item))
    return counted


def test_who_was_offered_the_package_stays_in_its_step() -> None:
    going = rollout(ONE_OF_ALL)
    late = device("d1", labelled=AFTER)
    offered = device("d1", labelled=AFTER, update=OFFERED)
    forerunner = msgspec.structs.replace(OFFERED, rollout_uid="uid-of-one-before-under-its-name")
    elsewhere = device("d1", labelled=AFTER, update=forerunner)
    assert [tally(going, item).reached for item in (late, offered, elsewhere)] == [0, 1, 0]


@pytest.mark.parametrize(
    ("update", "offered", "failed"),
    [
        (OFFERED, 1, 0),
        (msgspec.structs.replace(OFFERED, rollout_uid="uid-another"), 0, 0),
        (msgspec.structs.replace(OFFERED, rollout=None, rollout_uid=None), 0, 0),
        (msgspec.structs.replace(OFFERED, package="p1"), 0, 0),
        (msgspec.structs.replace(OFFERED, state="Failed", at=AFTER), 1, 1),
        (Update(package="p2", state="Failed", at=AFTER), 0, 1),
    ],
)
def test_only_whom_the_rollout_itself_offered_it_last_counts_as_offered(
    update: Update, offered: int, failed: int
) -> None:
    counts = tally(rollout(ONE_OF_ALL), device("d1", update=update)).counts
    assert (counts.offered, counts.failed) == (offered, failed)


def test_who_was_offered_the_package_counts_in_the_next_limit() -> None:
    """Two came later and stand before the one that has it: with it they would be three."""
    seed = make.rollout().status.seed or ""
    names = sorted(
        (f"d{number}" for number in range(3)),
        key=lambda name: position(seed, "default", name),
    )
    last = position(seed, "default", names[-1])
    going = rollout(ONE_OF_ALL, RolloutStep(limit=2), frontier=last)
    devices = [device(name, labelled=AFTER) for name in names[:-1]]
    devices.append(device(names[-1], labelled=AFTER, update=OFFERED))
    until = counted_until("2026-06-03T12:00:00Z")

    found = places(live(going, {}), PACKAGE, RolloutStep(limit=2), until, devices)

    assert sorted(found) == [0.0, *(position(seed, "default", name) for name in names[:-1])]


def test_that_nobody_is_left_in_a_step_is_no_success() -> None:
    going = rollout(ONE_OF_ALL)
    assert not tally(going, device("d1", labelled=AFTER)).settled
    assert not tally(going, device("d1")).settled


def test_a_step_for_no_device_waits_for_a_person() -> None:
    wait = next_wait(rollout(RolloutStep(limit=0), frontier=0.0))
    assert wait is not None
    assert wait.until == "Promotion"


def test_a_step_whose_devices_are_gone_waits_for_a_person() -> None:
    going = rollout(ONE_OF_ALL)
    counted = tally(going, device("d1"), device("d2", labelled=AFTER))
    waits = [next_wait(going, nobody=not counted.newest)]
    counted.take(device("d1"), standing_of(live(going, {}), PACKAGE, device("d1")))
    waits.append(next_wait(going, nobody=not counted.newest))
    assert [wait.until for wait in waits if wait] == ["Devices", "Promotion"]


def test_that_an_earlier_step_s_devices_run_it_shows_nothing_of_one_that_lost_its_own() -> None:
    canary = RolloutStep(selector=LabelSelector(match_labels={"canary": "yes"}))
    opened = [OpenedStep(population=1, frontier=1.0, opened_at=OPENED_AT)] * 2
    going = make.rollout(steps=(ONE_OF_ALL, canary), opened=tuple(opened))
    runs = msgspec.structs.replace(device("d1"), status=make.device(version="2.0.0").status)
    labelled = msgspec.structs.replace(device("d2").metadata, labels={"canary": "yes"})
    its_own = msgspec.structs.replace(runs, metadata=labelled)
    assert tally(going, runs, its_own).settled
    assert not tally(going, runs).settled


def test_a_device_whose_id_an_older_one_has_is_no_target() -> None:
    unique = Condition(type="Unique", status="True")
    duplicate = Condition(type="Unique", status="False", reason="DuplicateId")
    going, devices = rollout(ONE_OF_ALL), []
    for conditions in ((), (unique,), (duplicate,)):
        made = device("d1")
        status = msgspec.structs.replace(made.status, conditions=conditions)
        devices.append(msgspec.structs.replace(made, status=status))
    until = counted_until("2026-06-03T12:00:00Z")
    assert [tally(going, item).total for item in devices] == [1, 1, 0]
    assert len(list(places(live(going, {}), PACKAGE, ONE_OF_ALL, until, devices))) == 2
