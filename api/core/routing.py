"""Finds routes by the encoded segments of a path, so that an id may hold a slash."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Generic, TypeVar
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

Endpoint = Callable[[Request], Awaitable[Response]]

_REST = ":rest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """What answers a method and a path; a dialect adds what it says of its own.

    Path parameters are single segments such as `{id}`; `{id:rest}` is all that is left.
    """

    method: str
    path: str
    endpoint: Endpoint
    summary: str
    reply: Any = None
    """The form of the answer, for the documentation."""

    @property
    def shown(self) -> str:
        """The path as it is shown to people."""
        return self.path.replace(_REST, "")


AnyRoute = TypeVar("AnyRoute", bound=Route)


@dataclass(frozen=True, slots=True)
class Found(Generic[AnyRoute]):
    """The routes of a path by method, its template for the metrics, and its parameters."""

    methods: Mapping[str, AnyRoute]
    template: object
    parameters: dict[str, str]
    """Still encoded."""

    def decoded(self) -> dict[str, str]:
        """Return the parameters as text. Raises UnicodeDecodeError if one is no UTF-8."""
        return {name: unquote(text, errors="strict") for name, text in self.parameters.items()}


@dataclass(slots=True)
class _Node(Generic[AnyRoute]):
    children: "dict[str, _Node[AnyRoute]]" = field(default_factory=dict)
    parameter: "tuple[str, _Node[AnyRoute]] | None" = None
    rest: "tuple[str, _Node[AnyRoute]] | None" = None
    methods: dict[str, AnyRoute] = field(default_factory=dict)
    template: object = None


class RouteTable(Generic[AnyRoute]):
    """The routes of a dialect, as a tree of segments; what is spelled out comes first."""

    def __init__(self, routes: Iterable[AnyRoute]) -> None:
        self._root: _Node[AnyRoute] = _Node()
        for route in routes:
            node = self._root
            for segment in route.path.split("/"):
                node = _below(node, segment)
            node.methods[route.method] = route
            node.template = SimpleNamespace(path=route.shown)

    def find(self, path: str) -> Found[AnyRoute] | None:
        """Return the routes of a path, as it was sent; None if it has none."""
        node = self._root
        parameters: dict[str, str] = {}
        segments = path.split("/")
        for position, segment in enumerate(segments):
            child = node.children.get(segment)
            if child is None and node.parameter is not None and segment:
                name, child = node.parameter
                parameters[name] = segment
            if child is None:
                rest = "/".join(segments[position:])
                if node.rest is None or not rest:
                    return None
                name, node = node.rest
                parameters[name] = rest
                break
            node = child
        return Found(node.methods, node.template, parameters) if node.methods else None


def raw_path(scope: Scope) -> str:
    """Return the path as it was sent."""
    raw: bytes | None = scope.get("raw_path")
    return scope["path"] if raw is None else raw.decode("latin-1").partition("?")[0]


def _below(node: _Node[AnyRoute], segment: str) -> _Node[AnyRoute]:
    if not segment.startswith("{"):
        return node.children.setdefault(segment, _Node())
    name = segment[1:-1]
    if name.endswith(_REST):
        node.rest = node.rest or (name.removesuffix(_REST), _Node())
        return node.rest[1]
    node.parameter = node.parameter or (name, _Node())
    return node.parameter[1]
