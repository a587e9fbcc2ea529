"""Release: a numbered pair of a build and a configuration."""

from typing import Annotated, ClassVar

from pydantic import Field

from polyfleet.crds.base import APPLICATION, READY, Column, CustomResource, Names, Part
from polyfleet.crds.conditions import Status
from polyfleet.crds.types import (
    IMMUTABLE_SPEC,
    ApplicationName,
    CreatedAt,
    HostName,
    ObjectName,
    Uid,
    UserName,
    Uuid,
)
from polyfleet.crds.workload import Configuration, ReleaseNumber


class ReleaseConfiguration(Configuration):
    """The configuration of a release; values of the environment live in a Secret it owns."""

    uuid: Uuid
    """The configuration's name in the Deis API."""
    secret_name: HostName | None = None
    """The Secret with the values of the environment."""


class ReleaseSpec(Part):
    """A numbered pair of a build and a configuration, never changed."""

    application: ApplicationName
    """The application."""
    version: ReleaseNumber
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
    config: ReleaseConfiguration
    """The configuration."""
    change: Uuid | None = None
    """The wish (spec.workload.change.id of the Application) that it was made for."""
    rollback_of: ReleaseNumber | None = None
    """The number of the release whose build and configuration it has again."""


class ReleaseStatus(Status):
    """What Polyfleet observed."""


class Release(CustomResource):
    """A numbered pair of a build and a configuration."""

    names: ClassVar[Names] = Names("Release", "releases", ("rel",))
    columns: ClassVar[tuple[Column, ...]] = (
        APPLICATION,
        Column("Version", ".spec.version", "integer"),
        Column("Current", '.status.conditions[?(@.type=="Current")].status'),
        READY,
        Column("Reason", '.status.conditions[?(@.type=="Ready")].reason'),
        Column("Summary", ".spec.summary"),
        Column("Build", ".spec.build", wide=True),
        Column("Owner", ".spec.owner", wide=True),
    )
    selectable: ClassVar[tuple[str, ...]] = (".spec.application", ".spec.version", ".spec.build")

    spec: Annotated[ReleaseSpec, IMMUTABLE_SPEC]
    """A numbered pair of a build and a configuration, never changed."""
    status: ReleaseStatus | None = None
    """What Polyfleet observed."""
