"""Release: a numbered pair of a build and a configuration."""

from typing import Annotated, ClassVar

from pydantic import Field

from polyfleet.crds.base import APPLICATION, READY, REASON, Column, CustomResource, Names, Part
from polyfleet.crds.conditions import Status
from polyfleet.crds.types import (
    IMMUTABLE,
    ApplicationName,
    CreatedAt,
    Instant,
    ObjectName,
    Text,
    Uid,
    UserName,
)

Settings = Annotated[dict[str, Text], Field(max_length=256)]


class ReleaseConfig(Part):
    """The configuration of a release; values of the environment live in a Secret it owns."""

    uuid: Uid
    """The configuration's name in the Deis API."""
    owner: UserName | None = None
    """Who made it."""
    created: Instant | None = None
    """When it was made."""
    memory: Settings | None = None
    """Memory limit by process type."""
    cpu: Settings | None = None
    """CPU shares by process type."""
    tags: Settings | None = None
    """Labels that a node must have."""
    secret_name: Annotated[str, Field(max_length=253)] | None = None
    """The Secret with the values of the environment."""


class ReleaseSpec(Part):
    """A numbered pair of a build and a configuration, never changed."""

    application: ApplicationName
    """The application."""
    version: Annotated[int, Field(ge=1, le=1_000_000_000)]
    """The release's number; numbers are never used again."""
    uuid: Uid | None = None
    """Its name in the Deis API; absent: the object's uid."""
    owner: UserName | None = None
    """Who made it."""
    created_at: CreatedAt | None = None
    """When it was made, in microseconds; absent: the object's creation."""
    summary: Annotated[str, Field(max_length=4096)] | None = None
    """What changed, for people."""
    build: ObjectName | None = None
    """The Build; absent: nothing runs."""
    config: ReleaseConfig | None = None
    """The configuration."""


class ReleaseStatus(Status):
    """What Polyfleet observed."""


class Release(CustomResource):
    """A numbered pair of a build and a configuration."""

    names: ClassVar[Names] = Names("Release", "releases", ("rel",))
    columns: ClassVar[tuple[Column, ...]] = (
        APPLICATION,
        Column("Version", ".spec.version", "integer"),
        Column("Build", ".spec.build"),
        READY,
        REASON,
        Column("Summary", ".spec.summary"),
    )
    selectable: ClassVar[tuple[str, ...]] = (".spec.application", ".spec.version", ".spec.build")

    spec: Annotated[ReleaseSpec, IMMUTABLE]
    """A numbered pair of a build and a configuration, never changed."""
    status: ReleaseStatus | None = None
    """What Polyfleet observed."""
