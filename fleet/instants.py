"""Instants as custom resources hold them: RFC 3339 in UTC, with microseconds and a Z."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FIRST = datetime(1, 1, 1, tzinfo=UTC)
_LAST = datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)


def timestamp(instant: datetime) -> str:
    """Write an aware instant, always with six digits of a second."""
    # Not strftime: it writes the year 1 with one digit.
    return instant.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def parse(text: str) -> datetime:
    """Read an RFC 3339 instant; ValueError if it is none or has no zone.

    One that in UTC is before the year 1 or after the year 9999 is the first or last there is.
    """
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError("an instant needs a zone, such as Z")
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        return _FIRST if instant.year == 1 else _LAST


def microseconds(instant: datetime) -> int:
    """Return the microseconds since 1970."""
    return (instant - _EPOCH) // _MICROSECOND


def from_microseconds(count: int) -> datetime:
    """Return the instant so many microseconds after 1970."""
    return _EPOCH + count * _MICROSECOND
