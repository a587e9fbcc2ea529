"""Packages as the software that the document knows: one of each version of an application."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import orjson
from semver import Version

from polyfleet.api.dialects.otao.translate import dates
from polyfleet.fleet.json_text import is_json
from polyfleet.fleet.objects.package import Offer, Package

_REMEMBERED = 4096
_SUSPENDED = Offer()

Document = dict[str, Any]


def document(package: Package, application: str, specification: orjson.Fragment | None) -> Document:
    """Return a package in the document's form; `application` is the name that clients know."""
    spec = package.spec
    found: Document = {"appName": application, "version": spec.version}
    if specification is not None:
        found["specification"] = specification
    if spec.metadata:
        found["metadata"] = embedded(spec.metadata)
    if spec.upgradable_from is not None:
        found["upgradableFrom"] = spec.upgradable_from
    offer = spec.offer or _SUSPENDED
    found["rolloutStrategy"] = offer.strategy
    found["filters"] = [
        {"filterId": part.group}
        | ({} if part.from_ is None else {"rolloutDate": dates.shown(part.from_)})
        for part in offer.filters
    ]
    return found


def chosen(packages: Iterable[Package]) -> Package | None:
    """Return which of the packages of one version stands for it.

    RDFM may repeat a version, full and as deltas: the lowest serial without `requires`, else the
    lowest serial.
    """
    return min(packages, key=_rank, default=None)


def of_each_version(packages: Iterable[Package]) -> list[Package]:
    """Return one package a version, in the order of versions; those without any come last."""
    versions: dict[str, list[Package]] = {}
    for package in packages:
        versions.setdefault(package.spec.version, []).append(package)
    standing = [min(group, key=_rank) for group in versions.values()]
    ordered = [(found, package) for package in standing if (found := strict(package.spec.version))]
    rest = [package for package in standing if strict(package.spec.version) is None]
    ordered.sort(key=lambda pair: (pair[0], pair[1].spec.version))
    rest.sort(key=lambda package: package.spec.version)
    return [package for _, package in ordered] + rest


@lru_cache(_REMEMBERED)
def strict(version: str) -> Version | None:
    """Return a semantic version (2.0.0, to the letter); None for any other text."""
    try:
        return Version.parse(version)
    except ValueError:
        return None


@lru_cache(_REMEMBERED)
def embedded(text: str) -> orjson.Fragment:
    """Return stored JSON text as a part of an answer, as it is; text that is no JSON as null."""
    return orjson.Fragment(text if is_json(text) else "null")


def _rank(package: Package) -> tuple[bool, bool, int, str]:
    serial = package.serial
    return (bool(package.spec.requires), serial is None, serial or 0, package.metadata.name)
