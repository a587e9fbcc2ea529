"""Build: an image that an application can run."""

from typing import Annotated, ClassVar

from pydantic import Field

from polyfleet.crds.base import APPLICATION, Column, CustomResource, Names, Part
from polyfleet.crds.conditions import Status
from polyfleet.crds.types import (
    IMMUTABLE_SPEC,
    ApplicationName,
    CreatedAt,
    LongText,
    Uid,
    UserName,
)
from polyfleet.crds.workload import BY_TYPE


class BuildSpec(Part):
    """A given image and how it is started."""

    application: ApplicationName
    """The application that can run it."""
    uuid: Uid | None = None
    """Its name in the Deis API, which gives it; a Build with one runs only if it is named.

    Absent: the object's uid, and the newest such Build runs if none is named.
    """
    owner: UserName | None = None
    """Who gave it."""
    created_at: CreatedAt | None = None
    """When it was given, in microseconds; absent: the object's creation."""
    image: Annotated[str, Field(min_length=1, max_length=256, pattern=r"^\S+$")]
    """The image."""
    sha: Annotated[str, Field(max_length=40)] | None = None
    """The commit that it was built from."""
    procfile: Annotated[dict[str, LongText], Field(max_length=64), BY_TYPE] | None = None
    """The command by process type."""
    dockerfile: Annotated[str, Field(max_length=65536)] | None = None
    """The Dockerfile that it was built from."""


class BuildStatus(Status):
    """What Polyfleet observed."""


class Build(CustomResource):
    """An image that an application can run."""

    names: ClassVar[Names] = Names("Build", "builds", ("bld",))
    columns: ClassVar[tuple[Column, ...]] = (
        APPLICATION,
        Column("Image", ".spec.image"),
        Column("Sha", ".spec.sha"),
        Column("Owner", ".spec.owner"),
    )
    selectable: ClassVar[tuple[str, ...]] = (".spec.application", ".spec.uuid")

    spec: Annotated[BuildSpec, IMMUTABLE_SPEC]
    """A given image and how it is started."""
    status: BuildStatus | None = None
    """What Polyfleet observed."""
