"""Whose a stored file is: paths are drawn at random, so a path named twice was copied."""

from collections.abc import Iterable

from polyfleet.fleet.objects.package import Package

STORED = "Stored"
"""The condition by which a facade says whether a package's file is in its store."""


def stored_file(package: Package) -> tuple[str, str] | None:
    """Return the driver and path of the package's file in our own store, if it has one there."""
    artifact = package.spec.artifact
    if artifact is None or artifact.path is None:
        return None
    return (artifact.driver, artifact.path)


def owner(claimants: Iterable[Package]) -> Package | None:
    """Return whose the file is of those packages that name it: the oldest one's."""
    return min(claimants, key=_age, default=None)


def without_file(packages: Iterable[Package]) -> frozenset[str]:
    """Return the names of the packages that name a file of an older one."""
    claims: dict[tuple[str, str], list[Package]] = {}
    for package in packages:
        file = stored_file(package)
        if file is not None:
            claims.setdefault(file, []).append(package)
    return frozenset(
        package.metadata.name
        for claimants in claims.values()
        if len(claimants) > 1
        for package in claimants
        if package is not owner(claimants)
    )


def is_missing(package: Package) -> bool:
    """Say whether a facade looked for the package's file and did not find it."""
    return any(
        condition.type == STORED and condition.status == "False"
        for condition in package.status.conditions
    )


def _age(package: Package) -> tuple[str, str, str]:
    # The server's time comes first: nobody can set it.
    meta = package.metadata
    return (meta.creation_timestamp, package.spec.created_at, meta.name)
