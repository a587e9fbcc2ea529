"""Rollout: brings a package to devices stepwise."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, WithJsonSchema

from polyfleet.crds.base import APPLICATION, READY, REASON, Column, CustomResource, Names, Part
from polyfleet.crds.conditions import Status
from polyfleet.crds.schema import Rule
from polyfleet.crds.types import (
    ATOMIC,
    SET,
    ApplicationField,
    Count,
    CreatedAt,
    Instant,
    LabelSelector,
    ObjectName,
    Text,
    kept_as_it_was,
)

Limit = Annotated[
    int | str,
    WithJsonSchema(
        {
            "x-kubernetes-int-or-string": True,
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "maxLength": 4,
        }
    ),
    Rule(
        "type(self) == string ? self.matches('^(100|[1-9]?[0-9])%$')"
        " : self >= 0 && self <= 1000000000",
        "limit is a count of devices or a percentage from 0% to 100%",
    ),
]


Promotion = Annotated[str, Field(max_length=11, pattern="^[0-9a-f]{8}/[1-9][0-9]?$")]


class Pause(Part):
    """A wait before the next step, counted from the opening of this one."""

    duration_seconds: Annotated[int, Field(ge=0, le=31_536_000)] | None = None
    """How long; absent: until a person promotes the rollout."""


class RolloutStep(Part):
    """How far the rollout goes before the next step."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.limit) || has(self.selector) || has(self.pause)",
            "a step needs a limit, a selector or a pause",
        ),
    )

    selector: LabelSelector | None = None
    """The targets that the step reaches; absent: all."""
    limit: Limit | None = None
    """How many of them: a count, or a percentage; absent: all."""
    pause: Pause | None = None
    """A wait before the next step; absent: until all devices that it reaches run the package.

    If it reaches nobody, or none of them is left: until a person promotes the rollout. A step
    with nothing but a pause reaches nobody.
    """


class RolloutTargets(Part):
    """Whom the rollout may reach."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.groups) != has(self.selector)",
            "give exactly one of groups and selector (an empty selector reaches every device)",
        ),
    )

    groups: Annotated[list[ObjectName], Field(min_length=1, max_length=100), SET] | None = None
    """The DeviceGroups whose members it may reach."""
    selector: LabelSelector | None = None
    """The devices that it may reach, by their labels."""


class RolloutSpec(Part):
    """What is brought to whom, and how fast."""

    rules: ClassVar[tuple[Rule, ...]] = (
        kept_as_it_was("createdAt"),
        Rule(
            "!has(oldSelf.aborted) || !oldSelf.aborted || (has(self.aborted) && self.aborted)",
            "an aborted rollout stays aborted; make another one",
        ),
    )

    application: ApplicationField
    """The application whose devices it may reach."""
    package: ObjectName
    """The Package that it brings."""
    created_at: CreatedAt | None = None
    """When it was made, in microseconds; absent: the object's creation."""
    targets: RolloutTargets
    """Whom it may reach."""
    steps: Annotated[list[RolloutStep], Field(max_length=20), ATOMIC] | None = None
    """How fast; after the last one come all targets that are left. Absent: all at once."""
    target_selection: Literal["Snapshot", "Continuous"] = "Snapshot"
    """Whether devices that become targets after a step opened wait for the last one."""
    paused: bool | None = None
    """Whether it offers nothing for now."""
    aborted: bool | None = None
    """Whether it offers nothing any more, for good."""
    promoted: Promotion | None = None
    """Set to what status.awaits says to end the wait for the next step of that plan.

    It counts for the steps up to its number, and not before that step is the one that waits.
    """
    retry_failed_before: Instant | None = None
    """Devices that failed before then are offered the package again."""


class OpenedStep(Part):
    """A step that was opened."""

    population: Count | None = None
    """How many devices it could reach then."""
    frontier: Annotated[float, Field(ge=0, le=1)] | None = None
    """The position up to which devices are offered the package."""
    opened_at: Instant | None = None
    """When it was opened."""


class RolloutCounts(Part):
    """How far the devices are."""

    total: Count | None = None
    """How many devices it may reach: targets whose device type is the package's."""
    reached: Count | None = None
    """How many of them the open steps have come to."""
    offered: Count | None = None
    """How many were offered the package, by this rollout last."""
    updated: Count | None = None
    """How many run it, or a later version."""
    failed: Count | None = None
    """How many could not install it, whoever offered it, and are not offered it again."""


class RolloutFailure(Part):
    """A device that could not install the package."""

    device: ObjectName
    """The Device."""
    message: Text | None = None
    """Why, as the device tells it."""
    at: Instant | None = None
    """When it said so."""


class RolloutStatus(Status):
    """The plan in force; it binds only while its digest matches the spec."""

    plan: Annotated[str, Field(max_length=128)] | None = None
    """The digest of the package, the targets and the steps that the plan was made from."""
    seed: Annotated[str, Field(max_length=128)] | None = None
    """What the order of the devices was drawn with."""
    steps: Annotated[list[OpenedStep], Field(max_length=21), ATOMIC] | None = None
    """The steps that were opened, in order."""
    step: Annotated[str, Field(max_length=5, pattern="^[0-9]+/[0-9]+$")] | None = None
    """How many steps are open, of how many."""
    awaits: Promotion | None = None
    """What spec.promoted must be for the next step to open at once."""
    promoted: Promotion | None = None
    """The furthest promotion that has counted: it counts again if that plan is made again."""
    failures: Annotated[list[RolloutFailure], Field(max_length=20), ATOMIC] | None = None
    """At most twenty of the devices that could not install the package."""
    counts: RolloutCounts | None = None
    """How far the devices are."""


class Rollout(CustomResource):
    """Brings a package to devices stepwise."""

    names: ClassVar[Names] = Names("Rollout", "rollouts", ("ro",))
    columns: ClassVar[tuple[Column, ...]] = (
        Column("Package", ".spec.package"),
        Column("State", '.status.conditions[?(@.type=="Progressing")].reason'),
        Column("Step", ".status.step"),
        Column("Updated", ".status.counts.updated", "integer"),
        Column("Failed", ".status.counts.failed", "integer"),
        Column("Total", ".status.counts.total", "integer"),
        READY,
        Column("Offered", ".status.counts.offered", "integer", wide=True),
        Column("Awaits", ".status.awaits", wide=True),
        REASON,
        Column("Paused", ".spec.paused", "boolean", wide=True),
        Column("Aborted", ".spec.aborted", "boolean", wide=True),
        APPLICATION,
    )
    selectable: ClassVar[tuple[str, ...]] = (".spec.application", ".spec.package")

    spec: RolloutSpec
    """What is brought to whom, and how fast."""
    status: RolloutStatus | None = None
    """How far it is."""
