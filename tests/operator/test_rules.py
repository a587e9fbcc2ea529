"""The pure rules, by facts made up."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from polyfleet.fleet import membership
from polyfleet.fleet.claimants import older_claimant
from polyfleet.fleet.objects.application import UserReference
from polyfleet.operator.reconcile import applications, devices, enrollments, groups, packages
from polyfleet.operator.reconcile.adoption import (
    SerialNeed,
    metadata_patch,
    release_patch,
    serial_need,
)
from polyfleet.operator.reconcile.conditions import Wanted, condition_list, enumerated, status_patch
from polyfleet.operator.reconcile.expiry import seconds_left

NOW = datetime(2030, 6, 1, 12, 0, 0, 123456, UTC)
OLD = {"creationTimestamp": "2029-01-01T00:00:00Z"}


def condition(type_: str, status: str, since: str = "2030-01-01T00:00:00Z") -> dict[str, Any]:
    return {
        "type": type_,
        "status": status,
        "reason": "Because",
        "message": "",
        "lastTransitionTime": since,
        "observedGeneration": 1,
    }


def serial(number: int | str) -> dict[str, Any]:
    return {"labels": {"polyfleet.dev/serial": str(number)}}


def test_a_condition_keeps_its_time_while_its_status_stays(make: Any) -> None:
    group = make("DeviceGroup", "g", status={"conditions": [condition("Ready", "True")]})
    kept = condition_list(group, [Wanted("Ready", True, "Other", "")], NOW)
    turned = condition_list(group, [Wanted("Ready", False, "Other", "")], NOW)
    assert kept is not None
    assert turned is not None
    assert kept[0]["lastTransitionTime"] == "2030-01-01T00:00:00Z"
    assert turned[0]["lastTransitionTime"] == "2030-06-01T12:00:00Z"


def test_a_condition_of_somebody_else_stays(make: Any) -> None:
    group = make("DeviceGroup", "g", status={"conditions": [condition("Theirs", "True")]})
    after = condition_list(group, [Wanted("Ready", True, "Reconciled", "")], NOW)
    assert after is not None
    assert [entry["type"] for entry in after] == ["Theirs", "Ready"]


def test_a_status_that_is_right_is_not_written(make: Any) -> None:
    group = make("DeviceGroup", "g")
    wanted = [Wanted("Ready", True, "Reconciled", "")]
    patch = status_patch(group, wanted, NOW, members=0)
    assert patch is not None
    assert patch["status"]["members"] == 0
    group = make("DeviceGroup", "g", status=patch["status"])
    assert status_patch(group, wanted, NOW + timedelta(hours=1), members=0) is None


def test_a_new_generation_is_written_even_if_nothing_else_changed(make: Any) -> None:
    status = {"observedGeneration": 1, "conditions": [], "members": 2}
    group = make("DeviceGroup", "g", metadata={"generation": 2}, status=status)
    assert status_patch(group, [], NOW, members=2) == {"status": {"observedGeneration": 2}}


def test_long_lists_of_names_are_cut() -> None:
    names = [f"n{number:02}" for number in range(30)]
    assert enumerated(names).endswith("n19 and 10 more")
    assert enumerated(["b", "a"]) == "a, b"


@pytest.mark.parametrize(
    ("labels", "remembered", "need"),
    [
        ({}, None, SerialNeed.DRAW),
        ({}, 7, SerialNeed.RESTORE),
        (serial(7), 7, SerialNeed.KEEP),
        (serial(7), None, SerialNeed.KEEP),
        (serial(8), 7, SerialNeed.RESTORE),
        (serial("007"), 7, SerialNeed.RESTORE),
        (serial("9223372036854775807"), 7, SerialNeed.RESTORE),
        (serial("x"), None, SerialNeed.DRAW),
        (serial("007"), None, SerialNeed.DRAW),
        (serial("9223372036854775807"), None, SerialNeed.DRAW),
    ],
)
def test_a_serial_is_kept_restored_or_drawn(
    make: Any, labels: dict[str, Any], remembered: int | None, need: SerialNeed
) -> None:
    status = {} if remembered is None else {"serial": remembered}
    device = make("Device", "d", metadata=labels, status=status)
    assert serial_need(device, [device]) is need
    assert device.serial == (remembered or (7 if need is SerialNeed.KEEP else None))


def test_of_two_claimants_the_younger_draws_again(make: Any) -> None:
    old = make("Device", "old", metadata=serial(7) | OLD)
    young = make("Device", "young", metadata=serial(7))
    assert serial_need(young, [young, old]) is SerialNeed.DRAW
    assert serial_need(old, [young, old]) is SerialNeed.KEEP


def test_the_time_that_the_server_sets_decides_who_is_older(make: Any) -> None:
    pretender = make("Device", "young", createdAt="1990-01-01T00:00:00.000000Z")
    old = make("Device", "old", metadata=OLD, createdAt="2029-01-01T00:00:00.000000Z")
    assert older_claimant(pretender, [old, pretender]) == "old"
    assert older_claimant(old, [old, pretender]) is None


def test_metadata_is_completed_and_nothing_is_taken_away(make: Any) -> None:
    group = make("DeviceGroup", "g", metadata={"finalizers": ["drogue.polyfleet.dev/x"]})
    patch = metadata_patch(group.metadata, application="default", serial=3, finalizer=True)
    assert patch == {
        "metadata": {
            "labels": {"polyfleet.dev/application": "default", "polyfleet.dev/serial": "3"},
            "finalizers": ["drogue.polyfleet.dev/x", "polyfleet.dev/operator"],
        }
    }
    whole = make("DeviceGroup", "g", metadata=patch["metadata"])
    assert metadata_patch(whole.metadata, application="default", finalizer=True) is None


def test_a_deleted_object_gets_no_finalizer_and_loses_only_ours(make: Any) -> None:
    deleted = {"deletionTimestamp": "2030-01-02T00:00:00Z", "finalizers": ["other"]}
    group = make("DeviceGroup", "g", metadata=deleted)
    assert metadata_patch(group.metadata, finalizer=True) is None
    assert release_patch(group.metadata) is None
    held = make("DeviceGroup", "g", metadata={"finalizers": ["polyfleet.dev/operator", "other"]})
    assert release_patch(held.metadata) == {"metadata": {"finalizers": ["other"]}}


def group_facts(make: Any, **changes: Any) -> groups.GroupFacts:
    spec = changes.pop("spec", {})
    group = make("DeviceGroup", "g", packages=["p1"], policy="exact_match,2.0", **spec)
    package = make("Package", "p1", version="2.0", **changes.pop("package", {}))
    facts = {"group": group, "members": 0, "packages": {"p1": package}} | changes
    return groups.GroupFacts(**facts)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, "Reconciled"),
        ({"application_present": False}, "ApplicationMissing"),
        ({"older": "other"}, "DuplicateName"),
        ({"packages": {}}, "PackageMissing"),
        ({"package": {"application": "other"}}, "PackageMissing"),
        (
            {"package": {"metadata": {"deletionTimestamp": "2030-01-02T00:00:00Z"}}},
            "PackageMissing",
        ),
        ({"spec": {"policy": "exact_match,3.0"}}, "TargetMissing"),
        ({"spec": {"policy": "no_update,"}}, "Reconciled"),
        ({"spec": {"policy": "newest"}}, "InvalidPolicy"),
        (
            {"spec": {"policy": "newest", "selector": {"matchLabels": {"a b/c": "x"}}}},
            "InvalidSelector",
        ),
    ],
)
def test_a_group_is_ready_or_says_why_not(make: Any, changes: Any, reason: str) -> None:
    if "policy" in changes.get("spec", {}):
        group = make("DeviceGroup", "g", packages=["p1"], **changes["spec"])
        ready = groups.ready(
            groups.GroupFacts(group, 0, {"p1": make("Package", "p1", version="2.0")})
        )
    else:
        ready = groups.ready(group_facts(make, **changes))
    assert (ready.reason, ready.holds) == (reason, reason == "Reconciled")


def test_a_package_names_its_users_and_warns_when_its_deletion_waits(make: Any) -> None:
    users = packages.PackageUsers(groups=("b", "a"), rollouts=("r",))
    deleted = make("Package", "p", metadata={"deletionTimestamp": "2030-01-02T00:00:00Z"})
    verdict = packages.judge(packages.PackageFacts(deleted, users), NOW)
    assert [notice.reason for notice in verdict.notices] == ["PackageInUse"]
    assert verdict.notices[0].message == "its deletion waits for groups: a, b; rollouts: r"
    assert not packages.may_go(deleted, users)
    assert packages.may_go(deleted, packages.PackageUsers())
    assert not packages.may_go(make("Package", "p"), packages.PackageUsers())


def find_in(*found: Any) -> Any:
    return {group.metadata.name: group for group in found}.get


def label(value: str, group: str = "g") -> dict[str, Any]:
    labels = {f"group.polyfleet.dev/{group}": value, "polyfleet.dev/application": "default"}
    return {"labels": labels}


@pytest.mark.parametrize("value", ["true", "", "yes", "0123"])
def test_a_label_set_by_hand_gets_a_companion_for_this_incarnation(make: Any, value: str) -> None:
    group = make("DeviceGroup", "g")
    device = make("Device", "d", metadata=label(value))
    changes = devices.wanted_labels(device, find_in(group), (), NOW)
    micros = int(NOW.timestamp() * 1_000_000)
    assert changes == {"joined.polyfleet.dev/g": membership.member_value(group, micros)}


@pytest.mark.parametrize(
    "group",
    [
        {"application": "other"},
        {"metadata": {"deletionTimestamp": "2030-01-02T00:00:00Z"}},
    ],
)
def test_a_label_that_cannot_count_is_left_alone(make: Any, group: dict[str, Any]) -> None:
    device = make("Device", "d", metadata=label("true"))
    find = find_in(make("DeviceGroup", "g", **group))
    assert devices.wanted_labels(device, find, (), NOW) == {}
    assert devices.wanted_labels(device, find_in(), (), NOW) == {}


def test_a_whole_device_needs_nothing(make: Any) -> None:
    group = make("DeviceGroup", "g")
    device = make("Device", "d", metadata=label(membership.member_value(group, 1)))
    assert devices.wanted_labels(device, find_in(group), ("ring",), NOW) == {}
    assert devices.stale_groups(device, find_in(group)) == []
    assert devices.condition_patch(device, older=None, equal=(), now=NOW) is None


def test_a_membership_of_an_unknown_incarnation_is_stale(make: Any) -> None:
    before = make("DeviceGroup", "g", metadata={"uid": "before"})
    device = make("Device", "d", metadata=label(membership.member_value(before, 1)))
    assert devices.stale_groups(device, find_in(make("DeviceGroup", "g"))) == ["g"]
    assert devices.stale_groups(device, find_in()) == ["g"]


def test_only_groups_that_share_the_lowest_priority_conflict(make: Any) -> None:
    first = make("DeviceGroup", "a", priority=5, selector={}, metadata=serial(2))
    second = make("DeviceGroup", "b", priority=5, selector={}, metadata=serial(1))
    third = make("DeviceGroup", "c", priority=9, selector={}, metadata=serial(3))
    device = make("Device", "d")
    assert devices.equal_groups(device, [first, second, third]) == (second, first)
    assert devices.equal_groups(device, [first, third]) == ()
    assert devices.equal_groups(device, []) == ()


def test_members_without_uid_are_bound_once_and_forgotten_with_their_name(make: Any) -> None:
    members = [{"user": "ann", "role": "reader"}, {"user": "bob", "uid": "b", "role": "admin"}]
    known = {"members": [{"user": "ann", "uid": "first"}, {"user": "gone", "uid": "g"}]}
    app = make("Application", "a", members=members, owner={"user": "eve"}, status=known)
    bound = applications.bound_members(app, {"ann": "second", "eve": "e"}.get)
    assert bound == (UserReference(user="ann", uid="first"), UserReference(user="eve", uid="e"))


def test_only_the_default_application_waits_for_its_devices(make: Any) -> None:
    deleted = {"deletionTimestamp": "2030-01-02T00:00:00Z"}

    def facts(**changes: Any) -> applications.ApplicationFacts:
        return applications.ApplicationFacts(
            application=make("Application", "a", metadata=deleted),
            groups=0,
            packages=0,
            user_uid=lambda _: None,
            **changes,
        )

    assert applications.deletion_waits(facts(devices=1, is_default=True))
    assert not applications.deletion_waits(facts(devices=0, is_default=True))
    assert not applications.deletion_waits(facts(devices=1))


@pytest.mark.parametrize(
    ("deleted", "is_default", "devices", "wanted"),
    [
        (False, False, 1, ["polyfleet.dev/operator"]),
        (False, True, 0, ["polyfleet.dev/operator", "polyfleet.dev/keeps-devices"]),
        (True, True, 1, None),
        (True, True, 0, ["polyfleet.dev/operator"]),
        (True, False, 1, ["polyfleet.dev/operator"]),
    ],
)
def test_the_default_application_is_kept_in_service_until_its_last_device_goes(
    make: Any, deleted: bool, is_default: bool, devices: int, wanted: list[str] | None
) -> None:
    held = {
        "deletionTimestamp": "2030-01-02T00:00:00Z",
        "finalizers": ["polyfleet.dev/operator", "polyfleet.dev/keeps-devices"],
    }
    application = make("Application", "a", metadata=held if deleted else {})
    patch = applications.finalizers_patch(
        applications.ApplicationFacts(application, devices, 0, 0, lambda _: None, is_default)
    )
    assert patch == (None if wanted is None else {"metadata": {"finalizers": wanted}})


def enrollment_facts(make: Any, **changes: Any) -> enrollments.EnrollmentFacts:
    enrollment = make(
        "Enrollment", "e", **changes.pop("spec", {}), status=changes.pop("status", {})
    )
    return enrollments.EnrollmentFacts(
        enrollment=enrollment,
        device=changes.get("device"),
        application_present=changes.get("application_present", True),
        lifetime=timedelta(days=7),
    )


def test_a_question_is_open_until_nobody_asks_it_for_its_lifetime(make: Any) -> None:
    heard = {"lastAppeared": "2030-05-30T12:00:00.123456Z"}
    step, again = enrollments.next_step(enrollment_facts(make, status=heard), NOW)
    assert (step, again) == (enrollments.Step.WAIT, timedelta(days=5).total_seconds())
    step, _ = enrollments.next_step(enrollment_facts(make), NOW)
    assert step is enrollments.Step.EXPIRE


def test_an_enrollment_whose_device_was_let_in_only_has_to_go(make: Any) -> None:
    heard = {"lastAppeared": "2030-06-01T12:00:00Z"}
    waiting = enrollment_facts(make, status=heard)
    key = waiting.enrollment.spec.public_key
    device = make("Device", "d", publicKeys=[key, "another"])
    facts = enrollment_facts(make, status=heard, device=device)
    assert enrollments.next_step(facts, NOW)[0] is enrollments.Step.FINISH
    denied = enrollment_facts(make, spec={"approval": "Denied"}, status=heard, device=device)
    assert enrollments.next_step(denied, NOW)[0] is enrollments.Step.WAIT
    other = enrollment_facts(make, status=heard, device=make("Device", "d", publicKeys=["another"]))
    assert enrollments.next_step(other, NOW)[0] is enrollments.Step.WAIT


def test_an_approval_without_a_usable_key_or_application_waits(make: Any) -> None:
    heard = {"lastAppeared": "2030-06-01T12:00:00Z"}
    approved = {"approval": "Approved"}
    bad = enrollment_facts(make, spec=approved, status=heard)
    assert enrollments.next_step(bad, NOW)[0] is enrollments.Step.WAIT
    problem = enrollments.problem(enrollment_facts(make, application_present=False))
    assert problem is not None
    assert problem.reason == "ApplicationMissing"


@pytest.mark.parametrize(("keys", "replaces"), [((), False), (("PEM",), False), (("OTHER",), True)])
def test_a_key_change_is_a_known_device_with_other_keys(
    make: Any, keys: tuple[str, ...], replaces: bool
) -> None:
    enrollment = make("Enrollment", "e")
    device = make("Device", "e", publicKeys=list(keys))
    assert enrollments.replaces_key(enrollment, device) is replaces
    assert not enrollments.replaces_key(enrollment, None)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (None, None),
        ("not a time", None),
        ("2030-06-01T12:00:10.123456Z", 15.0),
        ("2030-06-01T11:59:00.123456Z", -55.0),
    ],
)
def test_what_expires_is_kept_for_a_grace(text: str | None, left: float | None) -> None:
    assert seconds_left(text, timedelta(seconds=5), NOW) == left
