"""Dates as RDFM's document writes them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from polyfleet.api.dialects.rdfm.translate import dates
from polyfleet.fleet.objects.metadata import ObjectMeta

INSTANT = datetime(2023, 8, 17, 10, 41, 8, 123456, tzinfo=UTC)


def test_dates_are_those_of_greenwich_without_fractions() -> None:
    assert dates.greenwich(INSTANT) == "Thu, 17 Aug 2023 10:41:08 GMT"


def test_another_zone_is_turned_into_utc() -> None:
    east = INSTANT.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert dates.greenwich(east) == "Thu, 17 Aug 2023 10:41:08 GMT"


@pytest.mark.parametrize(
    "text", ["2023-08-17T10:41:08.123456Z", "2023-08-17T12:41:08.123456+02:00"]
)
def test_an_instant_is_read_from_the_texts_of_the_cluster(text: str) -> None:
    assert dates.instant(text) == INSTANT


def test_an_instant_without_a_zone_is_utc() -> None:
    assert dates.instant("2023-08-17T10:41:08") == INSTANT.replace(microsecond=0)


def test_an_object_is_as_old_as_its_own_record_says() -> None:
    metadata = ObjectMeta(name="x", creation_timestamp="2024-01-01T00:00:00Z")
    assert dates.birth(metadata, "2023-08-17T10:41:08.123456Z") == INSTANT


def test_an_object_without_a_record_is_as_old_as_the_api_server_says() -> None:
    metadata = ObjectMeta(name="x", creation_timestamp="2024-01-01T00:00:00Z")
    assert dates.birth(metadata, "") == datetime(2024, 1, 1, tzinfo=UTC)
