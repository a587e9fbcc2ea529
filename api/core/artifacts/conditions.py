"""Whether the client's own copy decides the answer (RFC 9110, section 13)."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum, auto


class Verdict(Enum):
    """What the conditions of a GET or HEAD say."""

    PROCEED = auto()
    NOT_MODIFIED = auto()
    FAILED = auto()


def evaluate(headers: Mapping[str, str], *, etag: str, modified: datetime) -> Verdict:
    """Judge the conditions in the order of RFC 9110, section 13.2.2.

    `headers` are found by lower-case names, `etag` is strong and quoted, `modified` has a zone.
    """
    if (match := headers.get("if-match")) is not None:
        if not _lists(match, etag, weak=False):
            return Verdict.FAILED
    elif (since := _date(headers.get("if-unmodified-since"))) and _seconds(modified) > since:
        return Verdict.FAILED
    if (none_match := headers.get("if-none-match")) is not None:
        return Verdict.NOT_MODIFIED if _lists(none_match, etag, weak=True) else Verdict.PROCEED
    since = _date(headers.get("if-modified-since"))
    return Verdict.NOT_MODIFIED if since and _seconds(modified) <= since else Verdict.PROCEED


def range_applies(headers: Mapping[str, str], *, etag: str, modified: datetime) -> bool:
    """Tell whether the If-Range header, if there is one, lets the Range header count."""
    condition = headers.get("if-range")
    if condition is None:
        return True
    if '"' in condition:
        return condition.strip() == etag
    return _date(condition) == _seconds(modified)


def _lists(header: str, etag: str, *, weak: bool) -> bool:
    tags = [tag.strip() for tag in header.split(",")]
    if weak:
        tags = [tag.removeprefix("W/") for tag in tags]
    return "*" in tags or etag in tags


def _date(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _seconds(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)
