"""Reading what the API server sends into the views of the kinds."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

import msgspec

from polyfleet.fleet.json_text import shallow
from polyfleet.fleet.objects.kinds import Kind, Object

Answer = TypeVar("Answer")


class _ListMeta(msgspec.Struct, rename="camel"):
    resource_version: str = ""
    continue_: str = msgspec.field(default="", name="continue")


class _RawPage(msgspec.Struct):
    metadata: _ListMeta
    items: list[msgspec.Raw] = []


class _Names(msgspec.Struct, rename="camel"):
    name: str = ""
    resource_version: str = ""
    annotations: dict[str, str] = {}


class _Bare(msgspec.Struct):
    metadata: _Names


@dataclass(frozen=True, slots=True)
class Page(Generic[Object]):
    """A part of a list: its objects, the version of the whole list, and how to go on.

    Raw fields of the objects are views on the page's bytes; `unreadable` names the objects that
    do not fit their view.
    """

    items: list[Object]
    resource_version: str
    continue_token: str = ""
    unreadable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Bookmark:
    """Word that everything up to a version has been sent."""

    resource_version: str
    initial_events_end: bool = False


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An object that does not fit its view."""

    name: str
    resource_version: str


class Codec(Generic[Object]):
    """The decoders of one kind, made once."""

    def __init__(self, kind: Kind[Object]) -> None:
        self._view: type[Object] = kind.view
        self._object = msgspec.json.Decoder(kind.view)
        page: Any = msgspec.defstruct(
            "_Page",
            [("metadata", _ListMeta), ("items", list[kind.view])],  # type: ignore[name-defined]
        )
        self._page = msgspec.json.Decoder(page)

    def object(self, data: bytes | msgspec.Raw) -> Object:
        """Read one object. Raises msgspec.DecodeError."""
        return read_shallow(self._object.decode, data)

    def page(self, data: bytes) -> Page[Object]:
        """Read a list; only its own form must be right, unreadable items are left out."""
        return read_shallow(self._read_page, data)

    def _read_page(self, data: bytes | msgspec.Raw) -> Page[Object]:
        try:
            page = self._page.decode(data)
        except msgspec.ValidationError:
            return self._page_by_item(data)
        return Page(page.items, page.metadata.resource_version, page.metadata.continue_)

    def _page_by_item(self, data: bytes | msgspec.Raw) -> Page[Object]:
        page = _raw_page.decode(data)
        items: list[Object] = []
        unreadable: list[str] = []
        for raw in page.items:
            try:
                items.append(self._object.decode(raw))
            except msgspec.ValidationError:
                unreadable.append(bare(raw).name)
        return Page(
            items, page.metadata.resource_version, page.metadata.continue_, tuple(unreadable)
        )


_raw_page = msgspec.json.Decoder(_RawPage)
_bare = msgspec.json.Decoder(_Bare)
_codecs: dict[type, Codec[Any]] = {}


def codec_of(kind: Kind[Object]) -> Codec[Object]:
    """Return the decoders of a kind."""
    codec = _codecs.get(kind.view)
    if codec is None:
        codec = _codecs[kind.view] = Codec(kind)
    return cast("Codec[Object]", codec)


def read_shallow(
    read: Callable[[bytes | msgspec.Raw], Answer], data: bytes | msgspec.Raw
) -> Answer:
    """Return what `read` makes of JSON, if need be without what is nested too deeply for it.

    Kubernetes takes far deeper documents than readers here: one of them must not hide all others.
    """
    try:
        return read(data)
    except RecursionError:
        return read(shallow(bytes(data)))


def bare(data: bytes | msgspec.Raw) -> _Names:
    """Read only name, version and annotations of an object."""
    return _bare.decode(data).metadata
