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


def test_an_instant_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        instants.parse("2026-01-01T00:00:00")
