"""Dates as the document writes them: in UTC, `2019-04-20T11:19:57.848Z`."""

import re
from datetime import UTC

from polyfleet.fleet.instants import parse, timestamp

_GIVEN = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z")


def stored(text: str) -> str:
    """Return a client's date as the cluster keeps it.

    Seconds may have no fraction, as in the document's pattern, or one, as in its examples. Raises
    ValueError for anything else.
    """
    if not _GIVEN.fullmatch(text):
        raise ValueError("the form is yyyy-MM-ddTHH:mm:ssZ or yyyy-MM-ddTHH:mm:ss.SSSZ")
    return timestamp(parse(text))


def shown(text: str) -> str:
    """Return a date of the cluster as the examples have it; a text that is none as it is."""
    try:
        instant = parse(text).astimezone(UTC)
    except ValueError:
        return text  # written by hand; the schema lets through the 31st of February
    return instant.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
