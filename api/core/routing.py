"""Finds routes by the encoded segments of a path, so that an id may hold a slash."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Generic, Protocol, TypeVar


class Routed(Protocol):
    """What has a method and a path, whose parameters are single segments such as `{id}`."""

    @property
    def method(self) -> str:
        """The HTTP method."""
        ...

    @property
    def path(self) -> str:
        """The template of the path."""
        ...


AnyRoute = TypeVar("AnyRoute", bound=Routed)


@dataclass(frozen=True, slots=True)
class Found(Generic[AnyRoute]):
    """The routes of a path by method, its template for the metrics, and its parameters."""

    methods: Mapping[str, AnyRoute]
    template: object
    parameters: dict[str, str]


@dataclass(slots=True)
class _Node(Generic[AnyRoute]):
    children: "dict[str, _Node[AnyRoute]]" = field(default_factory=dict)
    parameter: "tuple[str, _Node[AnyRoute]] | None" = None
    methods: dict[str, AnyRoute] = field(default_factory=dict)
    template: object = None


class RouteTable(Generic[AnyRoute]):
    """The routes of a dialect, as a tree of segments."""

    def __init__(self, routes: Iterable[AnyRoute]) -> None:
        self._root: _Node[AnyRoute] = _Node()
        for route in routes:
            node = self._root
            for segment in route.path.split("/"):
                if segment.startswith("{"):
                    if node.parameter is None:
                        node.parameter = (segment[1:-1], _Node())
                    node = node.parameter[1]
                else:
                    node = node.children.setdefault(segment, _Node())
            node.methods[route.method] = route
            node.template = SimpleNamespace(path=route.path)

    def find(self, segments: list[str]) -> Found[AnyRoute] | None:
        """Return the routes of a path; None if it has none. Parameters stay encoded."""
        node = self._root
        parameters: dict[str, str] = {}
        for segment in segments:
            child = node.children.get(segment)
            if child is None:
                if node.parameter is None or not segment:
                    return None
                name, child = node.parameter
                parameters[name] = segment
            node = child
        return Found(node.methods, node.template, parameters) if node.methods else None
