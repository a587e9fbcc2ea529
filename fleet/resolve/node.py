"""A package as a step on the way to a version: what it needs, and what a device is after it."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec

from polyfleet.fleet.attributes import TYPE_KEY, VERSION_KEY
from polyfleet.fleet.objects.package import Package, Requirement

Lookup = Callable[[str], str | None]


class Unmet(NamedTuple):
    """A requirement that does not hold; `actual` is None where nothing is known."""

    name: str
    expected: str
    actual: str | None

    def __str__(self) -> str:
        found = "nothing" if self.actual is None else repr(self.actual)
        return f"{self.name} must be {self.expected!r}, is {found}"


class Node(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A package that can be installed: its application is there, and so is what it consists of."""

    package: Package
    version: str
    device_type: str | None
    requires: tuple[Requirement, ...]
    metadata: Mapping[str, str]
    order: tuple[bool, int, str]

    @property
    def name(self) -> str:
        """The package's object name."""
        return self.package.metadata.name

    def fits(self, device_type: str | None) -> bool:
        """Say whether a device of that type may install the package."""
        return self.device_type is None or self.device_type == device_type

    def after(self, device_type: str | None) -> Lookup:
        """Return what requirements see of a device of that type once it runs this package."""

        def value(key: str) -> str | None:
            if key == VERSION_KEY:
                return self.version
            if key == TYPE_KEY:
                return self.device_type or device_type
            return self.metadata.get(key)

        return value


def node_of(package: Package) -> Node:
    """Read a package into a node."""
    serial = package.serial
    return Node(
        package=package,
        version=package.spec.version,
        device_type=package.spec.device_type,
        requires=package.spec.requires,
        metadata=_texts(package.spec.metadata),
        order=(serial is None, serial or 0, package.metadata.name),
    )


def holds(requires: tuple[Requirement, ...], value: Lookup) -> bool:
    """Say whether all requirements hold."""
    return all(value(requirement.name) == requirement.value for requirement in requires)


def unmet(requires: tuple[Requirement, ...], value: Lookup) -> list[Unmet]:
    """Return the requirements that do not hold."""
    return [
        Unmet(requirement.name, requirement.value, actual)
        for requirement in requires
        if (actual := value(requirement.name)) != requirement.value
    ]


def misfit(node: Node, device_type: str | None) -> str:
    """Say for which devices the package is, and what this one is."""
    actual = "unknown" if device_type is None else repr(device_type)
    return f"for device type {node.device_type!r}, the device's is {actual}"


def _texts(metadata: str) -> dict[str, str]:
    try:
        document = msgspec.json.decode(metadata)
    except (msgspec.DecodeError, RecursionError):
        return {}
    if not isinstance(document, dict):
        return {}
    return {
        key: value if isinstance(value, str) else msgspec.json.encode(value).decode()
        for key, value in document.items()
    }
