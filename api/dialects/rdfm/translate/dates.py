"""Dates as RDFM's document writes them, from the RFC 3339 texts of the cluster."""

from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache

from polyfleet.fleet.objects.metadata import ObjectMeta

_LARGEST_MEMO = 8192


def greenwich(instant: datetime) -> str:
    """Return `Thu, 17 Aug 2023 10:41:08 GMT`."""
    # Newer servers write `-0000` in some places; RDFM's clients read both there.
    return format_datetime(instant.astimezone(UTC), usegmt=True)


@lru_cache(_LARGEST_MEMO)
def instant(text: str) -> datetime:
    """Read an RFC 3339 text; one without a zone is UTC. ValueError if it is none."""
    read = datetime.fromisoformat(text)
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def birth(metadata: ObjectMeta, created_at: str) -> datetime:
    """When an object was made: what the facade wrote at birth, else the API server's own time."""
    return instant(created_at or metadata.creation_timestamp)
