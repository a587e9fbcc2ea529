"""Rollouts: planned, opened step by step, counted, and planned anew when they are edited."""

import uuid
from typing import Any

import pytest

from polyfleet.fleet.rollout.plan import position
from tests.operator.conftest import condition_of, eventually

V1, V2 = "1.0.0", "2.0.0"
STEPS = [{"limit": 1, "pause": {}}, {"limit": "50%", "pause": {}}]


@pytest.fixture
def ring(fleet: Any, unique: str) -> Any:
    """Make an application with four devices on version 1 and a package of version 2."""
    fleet.create("Application", unique)
    fleet.create("Package", f"{unique}.p2", application=unique, version=V2, specification="{}")
    for number in range(4):
        name = f"{unique}.d{number}"
        fleet.create(
            "Device", name, application=unique, deviceId=f"d{number}", labels={"ring": "a"}
        )
        fleet.set_status("Device", name, software={"version": V1})
    return unique


def roll(fleet: Any, application: str, **spec: Any) -> str:
    name = f"{application}.ro"
    fields = {"targets": {"selector": {}}, "package": f"{application}.p2"} | spec
    fleet.create("Rollout", name, application=application, **fields)
    return name


def state(item: dict[str, Any]) -> str:
    return condition_of(item, "Progressing")[1]


def counts(item: dict[str, Any]) -> tuple[int, ...]:
    found = item["status"]["counts"]
    return tuple(found[name] for name in ("total", "reached", "updated", "failed"))


def report(fleet: Any, application: str, number: int, **status: Any) -> None:
    fleet.set_status("Device", f"{application}.d{number}", **status)


def test_a_rollout_goes_step_by_step_as_it_is_promoted_until_all_run_it(
    fleet: Any, ring: str
) -> None:
    name = roll(fleet, ring, steps=STEPS)
    first = fleet.comes_to("Rollout", name, lambda item: state(item) == "AwaitingPromotion")
    assert counts(first) == (4, 1, 0, 0)
    assert first["status"]["step"] == "1/3"
    assert first["status"]["steps"][0]["population"] == 4
    assert first["status"]["awaits"] == f"{first['status']['plan'][:8]}/1"
    assert condition_of(first, "Paused")[:2] == ("True", "AwaitingPromotion")

    fleet.patch("Rollout", name, spec={"promoted": first["status"]["awaits"]})
    second = fleet.comes_to("Rollout", name, lambda item: item["status"]["step"] == "2/3")
    assert counts(second) == (4, 2, 0, 0)
    assert second["status"]["steps"][0] == first["status"]["steps"][0]

    fleet.patch("Rollout", name, spec={"promoted": second["status"]["awaits"]})
    last = fleet.comes_to("Rollout", name, lambda item: state(item) == "LastStep")
    assert "awaits" not in last["status"]
    for number in range(4):
        report(fleet, ring, number, software={"version": V2})
    message = fleet.condition("Rollout", name, "Complete", "True", "AllUpdated")
    assert message == "4 of 4 run it"
    assert len(fleet.events("StepOpened")) >= 3


def test_a_promotion_for_another_plan_opens_nothing(fleet: Any, ring: str) -> None:
    name = roll(fleet, ring, steps=STEPS, promoted="00000000/9")
    item = fleet.comes_to("Rollout", name, lambda item: state(item) == "AwaitingPromotion")
    assert item["status"]["step"] == "1/3"


def test_a_promotion_of_a_later_step_opens_nothing_and_is_told(fleet: Any, ring: str) -> None:
    name = roll(fleet, ring, steps=[*STEPS, {"limit": 3, "pause": {"durationSeconds": 86_400}}])
    first = fleet.comes_to("Rollout", name, lambda item: state(item) == "AwaitingPromotion")
    plan = first["status"]["plan"][:8]

    fleet.patch("Rollout", name, spec={"promoted": f"{plan}/9"})

    told = fleet.comes_to(
        "Rollout", name, lambda item: f"{plan}/9" in condition_of(item, "Progressing")[2]
    )
    assert "PromotedTooFar" in condition_of(told, "Paused")[2]
    assert (state(told), told["status"]["step"]) == ("AwaitingPromotion", "1/4")
    assert told["status"]["awaits"] == f"{plan}/1"
    eventually(lambda: bool(fleet.events("PromotedTooFar")), "an event tells of it")

    fleet.patch("Rollout", name, spec={"promoted": f"{plan}/1"})
    second = fleet.comes_to("Rollout", name, lambda item: item["status"]["step"] == "2/4")
    assert (second["status"]["awaits"], second["status"]["promoted"]) == (f"{plan}/2", f"{plan}/1")
    assert "PromotedTooFar" not in condition_of(second, "Progressing")[2]


def test_an_edit_that_is_undone_finds_what_was_promoted(fleet: Any, ring: str) -> None:
    name = roll(fleet, ring, steps=STEPS)
    for step in ("1/3", "2/3"):
        item = fleet.comes_to("Rollout", name, lambda item, at=step: item["status"]["step"] == at)
        fleet.patch("Rollout", name, spec={"promoted": item["status"]["awaits"]})
    fleet.comes_to("Rollout", name, lambda item: item["status"]["step"] == "3/3")
    fleet.patch("Rollout", name, spec={"steps": [{"limit": 1, "pause": {}}]})
    fleet.comes_to("Rollout", name, lambda item: item["status"]["step"] == "1/2")
    fleet.patch("Rollout", name, spec={"steps": STEPS})
    fleet.comes_to("Rollout", name, lambda item: item["status"]["step"] == "3/3")


def test_an_edit_begins_again_with_the_first_step_and_the_same_order(fleet: Any, ring: str) -> None:
    name = roll(fleet, ring, steps=STEPS)
    before = fleet.comes_to("Rollout", name, lambda item: state(item) == "AwaitingPromotion")
    fleet.patch("Rollout", name, spec={"promoted": before["status"]["awaits"]})
    fleet.comes_to("Rollout", name, lambda item: item["status"]["step"] == "2/3")
    fleet.patch("Rollout", name, spec={"steps": [{"limit": 1, "pause": {}}]})
    after = fleet.comes_to("Rollout", name, lambda item: item["status"]["step"] == "1/2")
    assert after["status"]["plan"] != before["status"]["plan"]
    assert after["status"]["seed"] == before["status"]["seed"]
    assert after["status"]["steps"][0]["frontier"] == before["status"]["steps"][0]["frontier"]


def test_a_pause_ends_by_itself_after_its_time(fleet: Any, ring: str) -> None:
    name = roll(fleet, ring, steps=[{"limit": 1, "pause": {"durationSeconds": 2}}])
    fleet.comes_to("Rollout", name, lambda item: state(item) == "AwaitingTime")
    fleet.comes_to("Rollout", name, lambda item: state(item) == "LastStep")


def test_a_device_that_is_annotated_or_edited_stays_in_its_step(fleet: Any, ring: str) -> None:
    name = roll(fleet, ring, steps=[{"limit": 3}])
    fleet.comes_to("Rollout", name, lambda item: counts(item) == (4, 3, 0, 0))
    for number in range(4):
        edit = {"metadata": {"annotations": {"tick": "1"}}, "spec": {"hold": False}}
        fleet.edit("Device", f"{ring}.d{number}", "kubectl-edit", edit)
    report(fleet, ring, 0, software={"version": V2})

    item = fleet.comes_to("Rollout", name, lambda item: counts(item)[2] == 1)

    assert counts(item) == (4, 3, 1, 0)
    assert item["status"]["step"] == "1/2"


def test_without_a_pause_a_step_waits_for_its_devices(fleet: Any, ring: str) -> None:
    name = roll(fleet, ring, steps=[{"selector": {"matchLabels": {"first": "yes"}}}])
    item = fleet.comes_to("Rollout", name, lambda item: state(item) == "AwaitingPromotion")
    assert counts(item) == (4, 0, 0, 0)  # nobody has that label
    fleet.patch("Rollout", name, spec={"steps": [{"limit": 4}]})
    fleet.comes_to("Rollout", name, lambda item: state(item) == "AwaitingDevices")
    report(fleet, ring, 0, software={"version": V2})
    item = fleet.comes_to("Rollout", name, lambda item: counts(item) == (4, 4, 1, 0))
    assert item["status"]["step"] == "1/2"
    for number in range(1, 4):
        report(fleet, ring, number, software={"version": V2})
    fleet.condition("Rollout", name, "Complete", "True", "AllUpdated")


def test_a_step_that_lost_all_its_devices_waits_for_a_person(fleet: Any, ring: str) -> None:
    name = roll(fleet, ring, steps=[{"limit": 1}, {"limit": "25%", "pause": {}}])
    item = fleet.comes_to("Rollout", name, lambda item: counts(item) == (4, 1, 0, 0))
    assert state(item) == "AwaitingDevices"
    seed = item["status"]["seed"]
    first = min(range(4), key=lambda number: position(seed, ring, f"d{number}"))

    fleet.delete("Device", f"{ring}.d{first}")

    item = fleet.comes_to("Rollout", name, lambda item: state(item) == "AwaitingPromotion")
    assert counts(item) == (3, 0, 0, 0)
    assert condition_of(item, "Progressing")[0] == "False"
    fleet.patch("Rollout", name, spec={"promoted": item["status"]["awaits"]})
    item = fleet.comes_to("Rollout", name, lambda item: item["status"]["step"] == "2/3")
    assert counts(item) == (3, 1, 0, 0)


def test_a_device_whose_id_an_older_one_has_is_no_target(fleet: Any, ring: str) -> None:
    twin = f"{ring}.e"
    fleet.create("Device", twin, application=ring, deviceId="d0")
    fleet.condition("Device", twin, "Unique", "False", "DuplicateId")
    name = roll(fleet, ring)
    fleet.comes_to("Rollout", name, lambda item: counts(item) == (4, 4, 0, 0))
    for number in range(4):
        report(fleet, ring, number, software={"version": V2})
    fleet.condition("Rollout", name, "Complete", "True", "AllUpdated")

    fleet.delete("Device", f"{ring}.d0")

    fleet.condition("Device", twin, "Unique", "True", "OnlyOne")
    fleet.comes_to("Rollout", name, lambda item: counts(item) == (4, 4, 3, 0))


def test_a_package_that_nobody_can_be_given_is_told_of(fleet: Any, ring: str) -> None:
    fleet.create("Package", f"{ring}.empty", application=ring, version=V2)
    name = roll(fleet, ring, package=f"{ring}.empty")
    message = fleet.condition("Rollout", name, "Ready", "False", "PackageNotReady")
    assert message == f"package {ring}.empty: ArtifactMissing: there is nothing to install"
    fleet.condition("Rollout", name, "Progressing", "False", "NotReady")
    fleet.patch("Rollout", name, spec={"package": f"{ring}.p2"})
    fleet.condition("Rollout", name, "Ready", "True", "Reconciled")


def test_a_rollout_follows_its_package_s_file(fleet: Any, ring: str) -> None:
    file = {"driver": "local", "path": str(uuid.uuid4()), "sha256": "0" * 64, "size": 1}
    package = f"{ring}.stored"
    fleet.create("Package", package, application=ring, version=V2, artifact=file)
    fleet.condition("Package", package, "Ready", "True", "Reconciled")
    name = roll(fleet, ring, package=package)
    fleet.comes_to("Rollout", name, lambda item: state(item) == "LastStep")

    set_stored(fleet, package, "False")

    message = fleet.condition("Rollout", name, "Ready", "False", "PackageNotReady")
    assert message == f"package {package}: ArtifactMissing: its file is not in the store"
    set_stored(fleet, package, "True")
    fleet.condition("Rollout", name, "Ready", "True", "Reconciled")
    fleet.condition("Rollout", name, "Progressing", "True", "LastStep")


def set_stored(fleet: Any, package: str, status: str) -> None:
    """Say as a facade does whether the package's file is there; what others say stays."""
    told = {
        "type": "Stored",
        "status": status,
        "reason": "Found" if status == "True" else "FileMissing",
        "message": "",
        "lastTransitionTime": "2030-01-01T00:00:00Z",
    }
    conditions = fleet.get("Package", package)["status"]["conditions"]
    others = [condition for condition in conditions if condition["type"] != "Stored"]
    fleet.set_status("Package", package, conditions=[*others, told])


def test_failures_are_counted_and_named_until_they_are_retried(fleet: Any, ring: str) -> None:
    name = roll(fleet, ring)
    fleet.comes_to("Rollout", name, lambda item: state(item) == "LastStep")
    at = "2090-01-01T00:00:00.000000Z"
    update = {"package": f"{ring}.p2", "state": "Failed", "message": "no power", "at": at}
    report(fleet, ring, 2, update=update)
    message = fleet.condition("Rollout", name, "Degraded", "True", "DevicesFailed")
    assert message == f"1 could not install it: {ring}.d2"
    item = fleet.get("Rollout", name)
    assert item["status"]["failures"] == [{"device": f"{ring}.d2", "message": "no power", "at": at}]
    assert item["status"]["counts"]["offered"] == 0  # the rollout never did
    fleet.patch("Rollout", name, spec={"retryFailedBefore": "2090-01-01T00:00:01Z"})
    fleet.condition("Rollout", name, "Degraded", "False", "NoFailures")


def test_paused_and_aborted_are_told(fleet: Any, ring: str) -> None:
    name = roll(fleet, ring, paused=True)
    fleet.condition("Rollout", name, "Paused", "True", "Paused")
    assert not fleet.get("Rollout", name)["status"].get("plan")
    fleet.patch("Rollout", name, spec={"paused": False})
    fleet.comes_to("Rollout", name, lambda item: state(item) == "LastStep")
    fleet.patch("Rollout", name, spec={"aborted": True})
    fleet.condition("Rollout", name, "Progressing", "False", "Aborted")


def test_counts_follow_devices_that_come_go_and_change(fleet: Any, ring: str) -> None:
    name = roll(fleet, ring, targets={"selector": {"matchLabels": {"ring": "a"}}})
    fleet.comes_to("Rollout", name, lambda item: counts(item)[0] == 4)
    fleet.create("Device", f"{ring}.d4", application=ring, deviceId="d4", labels={"ring": "a"})
    fleet.comes_to("Rollout", name, lambda item: counts(item)[0] == 5)
    fleet.patch("Device", f"{ring}.d4", metadata={"labels": {"ring": "b"}})
    fleet.comes_to("Rollout", name, lambda item: counts(item)[0] == 4)
    fleet.delete("Device", f"{ring}.d0")
    fleet.comes_to("Rollout", name, lambda item: counts(item)[0] == 3)
    report(fleet, ring, 1, software={"version": "2.1.0"})
    fleet.comes_to("Rollout", name, lambda item: counts(item)[2] == 1)


def test_counts_follow_the_members_of_the_targets_groups(fleet: Any, ring: str) -> None:
    group = f"{ring}.g"
    fleet.create("DeviceGroup", group, application=ring)
    name = roll(fleet, ring, targets={"groups": [group]})
    fleet.condition("Rollout", name, "Progressing", "False", "NoTargets")
    fleet.patch("Device", f"{ring}.d1", metadata={"labels": {f"group.polyfleet.dev/{group}": "x"}})
    fleet.comes_to("Rollout", name, lambda item: counts(item)[0] == 1)
    fleet.patch("DeviceGroup", group, spec={"selector": {"matchLabels": {"ring": "a"}}})
    fleet.comes_to("Rollout", name, lambda item: counts(item)[0] == 4)
    fleet.delete("DeviceGroup", group)
    fleet.condition("Rollout", name, "Ready", "False", "GroupMissing")


def test_only_devices_of_the_packages_type_are_targets(fleet: Any, ring: str) -> None:
    fleet.create(
        "Package",
        f"{ring}.typed",
        application=ring,
        version=V2,
        specification="{}",
        deviceType="kettle",
    )
    name = roll(fleet, ring, package=f"{ring}.typed")
    fleet.condition("Rollout", name, "Progressing", "False", "NoTargets")
    kettle = [{"name": "rdfm.hardware.devtype", "value": {"string": "kettle"}}]
    fleet.patch("Device", f"{ring}.d3", spec={"attributes": kettle})
    fleet.comes_to("Rollout", name, lambda item: counts(item)[0] == 1)


def test_absence_cannot_be_dated_and_the_rollout_says_so(fleet: Any, ring: str) -> None:
    absent = {"matchExpressions": [{"key": "ring", "operator": "NotIn", "values": ["b"]}]}
    name = roll(fleet, ring, targets={"selector": absent}, steps=STEPS)
    message = fleet.condition("Rollout", name, "Ready", "False", "UndatedTargets")
    assert "spec.targets" in message
    fleet.patch("Rollout", name, spec={"targetSelection": "Continuous"})
    fleet.comes_to("Rollout", name, lambda item: state(item) == "AwaitingPromotion")


def test_an_aborted_rollout_stays_aborted(fleet: Any, ring: str) -> None:
    name = roll(fleet, ring, aborted=True)
    with pytest.raises(Exception, match="stays aborted"):
        fleet.patch("Rollout", name, spec={"aborted": False})
    with pytest.raises(Exception, match="stays aborted"):
        fleet.patch("Rollout", name, spec={"aborted": None})


def test_a_plan_is_rebuilt_as_it_was_if_the_status_is_lost(
    own_fleet: Any, start_operator: Any
) -> None:
    fleet = own_fleet
    with start_operator(fleet.namespace) as process:
        process.wait_for("looked at everything")
        fleet.create("Package", "p2", version=V2, specification="{}")
        for number in range(6):
            fleet.create("Device", f"d{number}")
        fleet.create("Rollout", "ro", package="p2", steps=[*STEPS, {"limit": 4, "pause": {}}])
        for step in ("1/4", "2/4"):
            item = fleet.comes_to(
                "Rollout", "ro", lambda item, at=step: item["status"]["step"] == at
            )
            fleet.patch("Rollout", "ro", spec={"promoted": item["status"]["awaits"]})
        before = fleet.comes_to("Rollout", "ro", lambda item: item["status"]["step"] == "3/4")
        process.kill()
    lost = dict.fromkeys(before["status"])
    fleet.set_status("Rollout", "ro", **lost)
    with start_operator(fleet.namespace) as process:
        after = fleet.comes_to("Rollout", "ro", lambda item: item["status"]["step"] == "3/4")
    for part in ("plan", "seed", "awaits", "promoted"):
        assert after["status"][part] == before["status"][part]
    frontiers = [[step["frontier"] for step in item["status"]["steps"]] for item in (before, after)]
    assert frontiers[0] == frontiers[1]
