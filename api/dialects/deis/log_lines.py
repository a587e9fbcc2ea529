"""The lines of an application's log, from what was done to it and from what its Pods print."""

import re
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, NamedTuple

from polyfleet.api.dialects.deis import activity
from polyfleet.api.dialects.deis.documents import born, date
from polyfleet.fleet.objects.application import Application
from polyfleet.fleet.objects.release import Release

LONGEST_LINE = 16_384
"""Longer lines of a container are cut."""
_INSTANT = re.compile(r"(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?(?:Z|\+00:00)")


class Line(NamedTuple):
    """A line, and when it was said: a text that sorts as time does."""

    at: str
    text: str

    @property
    def shown(self) -> str:
        """The line as it is shown."""
        return f"{date(self.at)} {self.text}\n"


def of_releases(releases: Iterable[Release]) -> list[Line]:
    """Return what made an application's releases."""
    return [
        Line(
            instant(born(release)),
            f"deis[api]: {release.spec.summary}",
        )
        for release in releases
    ]


def of_events(events: Iterable[Mapping[str, Any]]) -> list[Line]:
    """Return what Events on an application tell."""
    found = []
    for event in events:
        own = event.get("reportingController") == activity.CONTROLLER
        at = event.get("eventTime") or (event.get("metadata") or {}).get("creationTimestamp") or ""
        who = "deis[api]" if own else "deis[operator]"
        found += [Line(instant(at), f"{who}: {text}") for text in _lines(event.get("note"))]
    return found


def of_container(application: Application, tag: str, line: bytes) -> Line:
    """Return a line that a container printed, which begins with the time."""
    at, _, text = line.decode(errors="replace").partition(" ")
    return Line(instant(at), f"{application.spec.name}[{tag}]: {text[:LONGEST_LINE]}")


def instant(text: str) -> str:
    """Return an instant in a form in which the order of texts is that of time."""
    match = _INSTANT.fullmatch(text)
    return text if match is None else f"{match[1]}.{(match[2] or '').ljust(9, '0')}Z"


async def split(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the lines of a stream; of one that is too long, its beginning."""
    rest = b""
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line[: 2 * LONGEST_LINE]
        rest = rest[: 2 * LONGEST_LINE]
    if rest:
        yield rest


def _lines(text: object) -> list[str]:
    return text.splitlines() if isinstance(text, str) else []
