"""Serials."""

from polyfleet.fleet.serials import next_serials, renumbered
from tests.fleet import make


def test_serials_begin_at_one() -> None:
    assert list(next_serials(0, 0, 2)) == [1, 2]


def test_serials_go_on_after_the_counter() -> None:
    assert list(next_serials(7, 3, 1)) == [8]


def test_a_lost_counter_goes_on_after_the_highest_seen() -> None:
    assert list(next_serials(0, 41, 3)) == [42, 43, 44]


def test_a_serial_claimed_twice_belongs_to_the_older_object() -> None:
    older = make.device("older", serial=5, creation_timestamp="2026-01-01T00:00:00Z")
    younger = make.device("younger", serial=5, creation_timestamp="2026-01-02T00:00:00Z")
    youngest = make.device("youngest", serial=5, creation_timestamp="2026-01-03T00:00:00Z")
    other = make.device("other", serial=6, creation_timestamp="2026-01-04T00:00:00Z")

    assert renumbered([youngest, other, younger, older]) == [younger, youngest]


def test_objects_without_a_serial_claim_none() -> None:
    assert renumbered([make.device("a"), make.device("b")]) == []
