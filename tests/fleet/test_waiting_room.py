"""Who may wait to be let in, and who goes when there is no more room."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as some

from polyfleet.fleet.objects.enrollment import Enrollment
from polyfleet.fleet.waiting_room import Admit, Limits, Refuse, Replace, WaitingRoom
from tests.fleet import make

LIMITS = Limits(per_source=3, per_device=2, total=4)


def test_there_is_room_at_first() -> None:
    assert WaitingRoom(LIMITS, []).admit(make.enrollment("new")) == Admit()


def test_an_enrollment_that_is_there_already_needs_no_room() -> None:
    full = [make.enrollment(f"e{n}", device_id=f"d{n}", source=f"192.0.2.{n}") for n in range(4)]

    assert WaitingRoom(LIMITS, full[1:]).admit(make.enrollment("e1", device_id="d9")) == Admit()


def test_one_address_cannot_ask_for_too_many_devices() -> None:
    crowd = [make.enrollment(f"e{n}", device_id=f"d{n}") for n in range(3)]

    decision = WaitingRoom(LIMITS, crowd).admit(make.enrollment("new", device_id="d9"))

    assert isinstance(decision, Refuse)
    assert "this address" in decision.reason


def test_one_device_id_cannot_be_asked_for_with_too_many_keys() -> None:
    crowd = [make.enrollment(f"e{n}", source=f"192.0.2.{n}") for n in range(2)]

    decision = WaitingRoom(LIMITS, crowd).admit(make.enrollment("new", source="192.0.2.9"))

    assert isinstance(decision, Refuse)
    assert "this device id" in decision.reason


def test_when_all_is_full_the_newest_of_the_most_crowded_source_goes() -> None:
    old = make.enrollment("old", device_id="a", creation_timestamp="2026-01-01T00:00:00Z")
    new = make.enrollment("new", device_id="b", creation_timestamp="2026-01-03T00:00:00Z")
    mid = make.enrollment("mid", device_id="c", creation_timestamp="2026-01-02T00:00:00Z")
    lone = make.enrollment("lone", device_id="d", source="192.0.2.7")

    decision = WaitingRoom(LIMITS, [old, new, mid, lone]).admit(
        make.enrollment("x", device_id="x", source="192.0.2.8")
    )

    assert decision == Replace(new)


def test_a_source_as_crowded_as_any_gets_no_room() -> None:
    crowd = [make.enrollment(f"e{n}", device_id=f"d{n}", source=f"192.0.2.{n}") for n in range(4)]

    decision = WaitingRoom(LIMITS, crowd).admit(
        make.enrollment("x", device_id="x", source="192.0.2.1")
    )

    assert isinstance(decision, Refuse)


def test_an_approved_enrollment_never_goes() -> None:
    crowd = [
        make.enrollment(f"e{n}", device_id=f"d{n}", approval="Approved", source=f"192.0.2.{n // 2}")
        for n in range(4)
    ]

    decision = WaitingRoom(LIMITS, crowd).admit(
        make.enrollment("x", device_id="x", source="192.0.2.9")
    )

    assert isinstance(decision, Refuse)


@pytest.mark.parametrize("own", ["2001:db8::9", "2001:DB8:0:0:ffff::"])
def test_all_addresses_of_an_ipv6_network_are_one_source(own: str) -> None:
    crowd = [make.enrollment(f"e{n}", device_id=f"d{n}", source=f"2001:db8::{n}") for n in range(3)]
    room = WaitingRoom(LIMITS, crowd)

    assert isinstance(room.admit(make.enrollment("x", device_id="x", source=own)), Refuse)
    assert room.admit(make.enrollment("y", device_id="y", source="2001:db8:0:1::9")) == Admit()


def test_an_ipv6_network_that_fills_the_room_gives_way() -> None:
    crowd = [make.enrollment(f"e{n}", device_id=f"d{n}", source=f"2001:db8::{n}") for n in range(4)]

    decision = WaitingRoom(LIMITS, crowd).admit(
        make.enrollment("x", device_id="x", source="192.0.2.9")
    )

    assert decision == Replace(crowd[3])


def test_who_is_only_being_stored_takes_room_and_does_not_give_way() -> None:
    crowd = [make.enrollment(f"e{n}", device_id=f"d{n}", uid="") for n in range(4)]

    decision = WaitingRoom(LIMITS, crowd).admit(
        make.enrollment("x", device_id="x", source="192.0.2.9")
    )

    assert isinstance(decision, Refuse)


enrollments = some.builds(
    make.enrollment,
    some.sampled_from([f"e{n}" for n in range(12)]),
    device_id=some.sampled_from([f"d{n}" for n in range(8)]),
    source=some.sampled_from([None, *(f"192.0.2.{n}" for n in range(4))]),
    approval=some.sampled_from([None, "Denied", "Approved"]),
    creation_timestamp=some.sampled_from([f"2026-01-0{n}T00:00:00Z" for n in range(1, 5)]),
)


@given(some.lists(enrollments), some.lists(some.sampled_from([f"e{n}" for n in range(12)])))
def test_it_is_known_who_waits_whoever_came_changed_and_went(
    came: list[Enrollment], went: list[str]
) -> None:
    limits = Limits(per_source=100, per_device=100, total=0)
    room = WaitingRoom(limits, came)
    left = {item.metadata.name: item for item in came}
    for name in went:
        room.remove(name)
        left.pop(name, None)
    may_go = [item for item in left.values() if item.spec.approval != "Approved"]
    crowds = Counter(item.spec.source_address for item in may_go)
    most = max(crowds.values(), default=0)

    decision = room.admit(make.enrollment("new", device_id="new", source="198.51.100.1"))

    assert len(room) == len(left)
    if most <= 1:
        assert isinstance(decision, Refuse)
        return
    assert isinstance(decision, Replace)
    gone = decision.enrollment
    assert crowds[gone.spec.source_address] == most
    alike = [i for i in may_go if i.spec.source_address == gone.spec.source_address]
    assert gone.metadata.creation_timestamp == max(i.metadata.creation_timestamp for i in alike)
