"""Application: a fleet of devices, the software for them, and the workload that serves them."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from polyfleet.crds.base import READY, REASON, Column, CustomResource, Names, Part
from polyfleet.crds.conditions import Status
from polyfleet.crds.schema import Rule
from polyfleet.crds.types import (
    ApplicationField,
    Count,
    CreatedAt,
    Data,
    ObjectName,
    UserName,
    UserReference,
    Uuid,
    kept_as_it_was,
    list_map,
)
from polyfleet.crds.workload import Configuration, ProcessType, ReleaseNumber


class Member(UserReference):
    """A person with a role."""

    role: Literal["reader", "manager", "admin"]
    """What the person may do: read; change; also share."""


class Process(Part):
    """How many instances of one process type run."""

    type: ProcessType
    """The process type, for example web."""
    replicas: Annotated[int, Field(ge=0, le=10_000)]
    """How many instances are wanted."""


class Change(Part):
    """Who last asked for a new release over an API: each such wish becomes one Release."""

    id: Uuid
    """Tells the wish from others; the Release carries it too."""
    by: UserName
    """Who asked."""
    rollback_of: ReleaseNumber | None = None
    """The number of the release that was asked for again."""


class Workload(Part):
    """What runs in the cluster for this application."""

    build: ObjectName | None = None
    """The Build; absent: the application's newest."""
    processes: Annotated[list[Process], Field(max_length=64), list_map("type")] | None = None
    """The process types; absent: one web if the Build's procfile has it, else one cmd."""
    change: Change | None = None
    """Who last asked for a new release over an API."""


class ApplicationSpec(Part):
    """Who owns an application and who may do what in it."""

    rules: ClassVar[tuple[Rule, ...]] = (kept_as_it_was("createdAt"),)

    name: ApplicationField
    """The application's name in every API."""
    created_at: CreatedAt | None = None
    """When it was made, in microseconds; absent: the object's creation."""
    owner: UserReference | None = None
    """Who owns it; absent: administrators only."""
    members: Annotated[list[Member], Field(max_length=1000), list_map("user")] | None = None
    """Who else has a role in it."""
    transfer_to: UserReference | None = None
    """To whom the owner offered it."""
    data: Data | None = None
    """Structured JSON of clients of the Drogue API."""
    workload: Workload | None = None
    """What runs in the cluster for it."""
    config: Configuration | None = None
    """Limits and placement of the workload."""


class RunningProcess(Part):
    """How many instances of one process type are there."""

    type: ProcessType
    """The process type."""
    replicas: Count
    """How many are wanted."""
    ready: Count
    """How many are ready."""


class ApplicationStatus(Status):
    """Counts, and who a member's name was when it was first seen."""

    devices: Count | None = None
    """How many devices belong to it."""
    groups: Count | None = None
    """How many device groups belong to it."""
    packages: Count | None = None
    """How many packages belong to it."""
    members: Annotated[list[UserReference], Field(max_length=1001), list_map("user")] | None = None
    """The uids first bound to people named without one."""
    last_release: Count | None = None
    """The number of the newest Release; numbers are never used again."""
    release: Count | None = None
    """The number of the Release that is deployed, or is being deployed."""
    deployed_release: Count | None = None
    """The number of the last Release of which all processes were available."""
    processes: Annotated[list[RunningProcess], Field(max_length=128), list_map("type")] | None = (
        None
    )
    """How many instances of each process type there are."""
    running: Annotated[str, Field(max_length=32)] | None = None
    """How many instances are ready, of how many: for example 3/4."""


class Application(CustomResource):
    """A fleet of devices, the software for them, and the workload that serves them."""

    names: ClassVar[Names] = Names("Application", "applications", ("app", "apps"))
    columns: ClassVar[tuple[Column, ...]] = (
        Column("Devices", ".status.devices", "integer"),
        Column("Groups", ".status.groups", "integer"),
        Column("Packages", ".status.packages", "integer"),
        Column("Release", ".status.release", "integer"),
        Column("Processes", ".status.running"),
        Column("Owner", ".spec.owner.user"),
        READY,
        REASON,
        Column("Workload", '.status.conditions[?(@.type=="WorkloadReady")].reason', wide=True),
        Column("Application", ".spec.name", wide=True),
    )
    selectable: ClassVar[tuple[str, ...]] = (".spec.name",)
    # The host names of the APIs are names of objects: one meaning, and no two of one name.
    root_rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.metadata.name == self.spec.name",
            "metadata.name and spec.name must be the same",
            ".spec.name",
        ),
    )

    spec: ApplicationSpec
    """What people want of it."""
    status: ApplicationStatus | None = None
    """What Polyfleet observed."""
