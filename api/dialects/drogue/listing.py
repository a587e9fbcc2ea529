"""Lists in the order of names, cut by label, limit and offset."""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from itertools import islice
from operator import attrgetter
from typing import NamedTuple, TypeVar

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from polyfleet.api.core.errors import Invalid
from polyfleet.api.dialects.drogue.labels import selector_of
from polyfleet.fleet.objects.application import Application
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.group import LabelSelector
from polyfleet.fleet.selectors import matches
from polyfleet.kube.store import Store

Item = TypeVar("Item", Application, Device)

_APPLICATIONS = "drogue: applications"
_DEVICES = "drogue: devices"
_WHOLE = 500
"""Objects that are answered in one piece; more are streamed."""
_CHUNK = 200
_FEW = 2_000
"""Matching devices that are rather sorted than looked for among all others in order."""
_LONGEST_NUMBER = 12


class Wanted(NamedTuple):
    """Which part of a list a client asks for."""

    selector: LabelSelector | None
    limit: int | None
    offset: int


def wanted_of(request: Request) -> Wanted:
    """Read the query of a list. Raises Invalid and BadSelector."""
    query = request.query_params
    return Wanted(
        selector_of(query.getlist("labels")),
        _number("limit", query.getlist("limit")),
        _number("offset", query.getlist("offset")) or 0,
    )


class Order:
    """Applications and devices in the order of their names."""

    def __init__(self, applications: Store[Application], devices: Store[Device]) -> None:
        self._applications = applications
        self._devices = devices
        applications.add_index(_APPLICATIONS, lambda _: (None,), order=attrgetter("spec.name"))
        devices.add_index(
            _DEVICES,
            lambda item: () if item.duplicate else (item.spec.application,),
            order=attrgetter("spec.device_id"),
        )

    def applications(
        self, wanted: Wanted, shown: Callable[[Application], bool]
    ) -> list[Application]:
        """Return that part of the applications that may be shown."""
        found = (item for item in self._applications.find(_APPLICATIONS, None) if shown(item))
        return _cut(_matching(found, wanted.selector), wanted)

    def devices(
        self, application: str, wanted: Wanted, shown: Callable[[Device], bool] | None
    ) -> Sequence[Device]:
        """Return that part of an application's devices; `shown` None shows all."""
        ordered = self._devices.find(_DEVICES, application)
        if wanted.selector is None and shown is None:
            end = None if wanted.limit is None else wanted.offset + wanted.limit
            return list(ordered[wanted.offset : end])
        found: Iterable[Device] = ordered
        if wanted.selector is not None and _names_values(wanted.selector):
            matching = self._devices.select(wanted.selector)
            if len(matching) <= _FEW:
                matching = [
                    item
                    for item in matching
                    if item.spec.application == application and not item.duplicate
                ]
                found = sorted(matching, key=lambda item: (item.spec.device_id, item.metadata.name))
        chosen = (item for item in found if shown is None or shown(item))
        return _cut(_matching(chosen, wanted.selector), wanted)


def answer(items: Sequence[Item], encoded: Callable[[Item], bytes]) -> Response:
    """Return the answer to a request for a list."""
    if len(items) <= _WHOLE:
        body = b"[" + b",".join([encoded(item) for item in items]) + b"]"
        return Response(body, media_type="application/json")
    return StreamingResponse(_stream(items, encoded), media_type="application/json")


async def _stream(items: Sequence[Item], encoded: Callable[[Item], bytes]) -> AsyncIterator[bytes]:
    before = b"["
    for start in range(0, len(items), _CHUNK):
        chunk = items[start : start + _CHUNK]
        yield before + b",".join([encoded(item) for item in chunk])
        before = b","
    yield b"]"


def _matching(items: Iterable[Item], selector: LabelSelector | None) -> Iterator[Item]:
    for item in items:
        if selector is None or matches(selector, item.metadata.labels):
            yield item


def _cut(items: Iterator[Item], wanted: Wanted) -> list[Item]:
    end = None if wanted.limit is None else wanted.offset + wanted.limit
    return list(islice(items, wanted.offset, end))


def _names_values(selector: LabelSelector) -> bool:
    return any(part.operator == "In" for part in selector.match_expressions)


def _number(name: str, given: list[str]) -> int | None:
    if not given:
        return None
    text = given[0]
    if len(given) > 1 or not (text.isascii() and text.isdigit()) or len(text) > _LONGEST_NUMBER:
        raise Invalid(name, "must be one number, 0 or more")
    return int(text)
