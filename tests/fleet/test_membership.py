"""Who is in which group."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyfleet.fleet import membership
from polyfleet.fleet.membership import (
    companion_key,
    joining_value,
    label_key,
    leaving_value,
    member_value,
    parse_value,
    settled_value,
)
from polyfleet.fleet.objects.group import DeviceGroup, LabelSelector, MembershipChange
from polyfleet.fleet.objects.metadata import SERIAL_LABEL
from tests.fleet import make

LABEL_VALUE = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")

uids = st.uuids().map(str)
times = st.integers(0, 10**17)
change_ids = st.from_regex(r"[a-z0-9]{1,16}", fullmatch=True)


def group(**fields: object) -> DeviceGroup:
    return make.group(**fields)  # type: ignore[arg-type]


def committed(*ids: str, done: bool = True) -> tuple[MembershipChange, ...]:
    return tuple(MembershipChange(id=id_, deadline="", committed=done) for id_ in ids)


def labelled(value: str, name: str = "canary") -> dict[str, str]:
    return {label_key(name): value}


@given(uids, times, change_ids)
def test_every_value_is_a_label_value_and_can_be_read_back(
    uid: str, joined: int, change: str
) -> None:
    canary = group(uid=uid)
    member = member_value(canary, joined)
    joining = joining_value(change, canary, joined)
    leaving = leaving_value(change, member)

    for value, state, expected in [
        (member, "member", ""),
        (joining, "joining", change),
        (leaving, "leaving", change),
    ]:
        assert LABEL_VALUE.fullmatch(value)
        assert parse_value(value) == (state, membership.incarnation(uid), joined, expected)


@pytest.mark.parametrize("text", ["", "true", "joining", "abc.5", "joining.c1.0123456789ab"])
def test_a_value_that_is_not_ours_says_nothing(text: str) -> None:
    assert parse_value(text) is None


def test_a_member_is_in_the_group() -> None:
    canary = group()

    assert membership.is_member(make.device(groups=(canary,)), canary)


def test_a_label_set_by_hand_does_not_count() -> None:
    assert not membership.is_member(make.device(labels=labelled("true")), group())


def test_a_group_made_again_inherits_nobody() -> None:
    device = make.device(groups=(group(uid="first"),))

    assert not membership.is_member(device, group(uid="second"))


def test_a_selector_takes_matching_devices_in() -> None:
    selecting = group(selector=LabelSelector(match_labels={"site": "north"}))

    assert membership.is_member(make.device(labels={"site": "north"}), selecting)
    assert not membership.is_member(make.device(labels={"site": "south"}), selecting)


def test_a_device_of_another_application_is_never_in_the_group() -> None:
    selecting = group(selector=LabelSelector())

    assert not membership.is_member(
        make.device(application="other", groups=(selecting,)), selecting
    )


def test_nobody_is_in_a_group_that_is_being_deleted() -> None:
    going = group(deletion_timestamp="2026-01-01T00:00:00Z")

    assert not membership.is_member(make.device(groups=(going,)), going)


@pytest.mark.parametrize(
    ("changes", "joins", "stays"),
    [
        (committed("c1"), True, False),
        (committed("c1", done=False), False, True),
        (committed("c2"), False, True),
        ((), False, True),
    ],
    ids=["committed", "not yet committed", "another change", "no change"],
)
def test_a_mark_counts_from_the_commit_on(
    changes: tuple[MembershipChange, ...], joins: bool, stays: bool
) -> None:
    canary = group(changes=changes)
    joining = make.device(labels=labelled(joining_value("c1", canary, 1)))
    leaving = make.device(labels=labelled(leaving_value("c1", member_value(canary, 1))))

    assert membership.is_member(joining, canary) is joins
    assert membership.is_member(leaving, canary) is stays


def test_marks_settle_as_the_change_ends() -> None:
    member = member_value(group(), 7)
    joining = joining_value("c1", group(), 7)
    leaving = leaving_value("c1", member)

    assert settled_value(joining, committed=True) == member
    assert settled_value(joining, committed=False) is None
    assert settled_value(leaving, committed=True) is None
    assert settled_value(leaving, committed=False) == member
    assert settled_value(member, committed=False) == member
    assert settled_value("true", committed=True) == "true"


def test_only_a_member_can_leave() -> None:
    with pytest.raises(ValueError, match="only a member"):
        leaving_value("c1", "true")


def test_a_change_id_has_few_letters() -> None:
    with pytest.raises(ValueError, match="1 to 16"):
        joining_value("C.1", group(), 1)


def test_the_time_of_joining_is_known_of_members_only() -> None:
    canary = group()

    assert membership.joined_at(make.device(groups=(canary,)), canary) == 1
    assert membership.joined_at(make.device(), canary) is None


def test_the_active_group_is_of_lowest_priority_number_then_lowest_serial() -> None:
    first = make.group("z", priority=1, serial=9)
    second = make.group("y", priority=2, serial=2)
    third = make.group("x", priority=2, serial=10)
    unnumbered = make.group("a", priority=2)
    device = make.device(groups=(first, second, third, unnumbered))

    found = membership.groups_of(device, [unnumbered, third, make.group("b"), second, first])

    assert [item.metadata.labels.get(SERIAL_LABEL) for item in found] == ["9", "2", "10", None]


def theirs(companion: str | None = None, name: str = "canary") -> dict[str, str]:
    """Labels of a device that somebody put into the group by hand."""
    beside = {} if companion is None else {companion_key(name): companion}
    return labelled("true", name) | beside


def changed(labels: dict[str, str], changes: dict[str, str | None]) -> dict[str, str]:
    """Labels as they are after a merge patch."""
    return {key: value for key, value in (labels | changes).items() if value is not None}


def in_group(labels: dict[str, str], canary: DeviceGroup) -> bool:
    return membership.is_member(make.device(labels=labels), canary)


def test_a_label_set_by_hand_counts_while_its_companion_names_the_incarnation() -> None:
    canary = group()

    assert in_group(theirs(member_value(canary, 5)), canary)
    assert membership.joined_at(make.device(labels=theirs(member_value(canary, 5))), canary) == 5
    assert not in_group(theirs(member_value(group(uid="before"), 5)), canary)
    assert not in_group(theirs("true"), canary)


def test_a_companion_alone_says_nothing_and_is_an_orphan() -> None:
    canary = group()
    alone = {companion_key("canary"): member_value(canary, 5)}

    assert not in_group(alone, canary)
    assert membership.orphaned_companions(alone) == ["canary"]
    assert membership.orphaned_companions(labelled(member_value(canary, 1)) | alone) == ["canary"]
    assert membership.orphaned_companions(theirs(member_value(canary, 5))) == []


own_labels = st.sampled_from(["absent", "ours", "theirs", "theirs, adopted", "orphan"])


def labels_of(kind: str, canary: DeviceGroup) -> dict[str, str]:
    member = member_value(canary, 3)
    return {
        "absent": {},
        "ours": labelled(member),
        "theirs": theirs(),
        "theirs, adopted": theirs(member),
        "orphan": {companion_key("canary"): member},
    }[kind]


@given(own_labels, st.booleans(), change_ids)
def test_a_join_counts_if_committed_and_leaves_somebodys_value_alone(
    kind: str, done: bool, change: str
) -> None:
    canary = group(changes=committed(change, done=done))
    before = labels_of(kind, canary)
    if in_group(before, canary):
        return
    mark = joining_value(change, canary, 9)

    marked = changed(before, membership.value_labels(before, "canary", mark))
    after = changed(marked, membership.settled_labels(marked, "canary", committed=done))

    assert in_group(marked, canary) is in_group(after, canary) is done
    assert membership.marks_of(make.device(labels=marked))["canary"].change == change
    assert membership.marks_of(make.device(labels=after)) == {}
    assert membership.orphaned_companions(after) == []
    if before.get(label_key("canary")) == "true":
        assert after[label_key("canary")] == "true"


@given(own_labels, st.booleans(), change_ids)
def test_leaving_takes_everything_away_if_committed_and_nothing_if_not(
    kind: str, done: bool, change: str
) -> None:
    canary = group(changes=committed(change, done=done))
    before = labels_of(kind, canary)
    if not in_group(before, canary):
        return
    value = membership.own_value(before, "canary")
    assert value is not None

    marked = changed(
        before, membership.value_labels(before, "canary", leaving_value(change, value))
    )
    after = changed(marked, membership.settled_labels(marked, "canary", committed=done))

    assert in_group(marked, canary) is not done
    assert after == ({} if done else before)
    assert changed(before, membership.leaving_labels(before, "canary")) == {}
