"""Instants."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyfleet.fleet import instants

moments = st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(moments)
def test_an_instant_survives_being_written(moment: datetime) -> None:
    assert instants.parse(instants.timestamp(moment)) == moment
    assert instants.from_microseconds(instants.microseconds(moment)) == moment


@given(moments, moments)
def test_texts_sort_as_instants_do(left: datetime, right: datetime) -> None:
    assert (instants.timestamp(left) < instants.timestamp(right)) == (left < right)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000Z"),
        ("0001-01-01T00:00:00+10:00", "0001-01-01T00:00:00.000000Z"),
        ("0987-06-05T04:03:02.1Z", "0987-06-05T04:03:02.100000Z"),
        ("9999-12-31T23:59:59-10:00", "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_instants_of_all_years_are_read_and_written(text: str, instant: str) -> None:
    assert instants.timestamp(instants.parse(text)) == instant


def test_an_instant_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        instants.parse("2026-01-01T00:00:00")
