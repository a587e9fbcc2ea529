"""DeviceGroup: a named set of devices, and what they are to run."""

from typing import Annotated, ClassVar

from pydantic import Field

from polyfleet.crds.base import (
    APPLICATION,
    READY,
    REASON,
    SERIAL,
    Column,
    CustomResource,
    Names,
    Part,
)
from polyfleet.crds.conditions import Status
from polyfleet.crds.schema import Rule
from polyfleet.crds.types import (
    ATOMIC,
    IMMUTABLE,
    PRINTABLE,
    ApplicationField,
    Count,
    CreatedAt,
    Instant,
    JsonText,
    LabelSelector,
    ObjectName,
    Serial,
    WireName,
    kept_as_it_was,
    list_map,
)

_POLICY = Rule(
    "self == 'no_update,' || (self.startsWith('exact_match,') && self.size() > 12)",
    "policy is 'no_update,' or 'exact_match,<version>'",
)


class DeviceGroupSpec(Part):
    """Members by label or by selector, and what they are to run."""

    rules: ClassVar[tuple[Rule, ...]] = (kept_as_it_was("createdAt"),)

    application: ApplicationField
    """The application whose devices may be members."""
    name: Annotated[WireName, IMMUTABLE]
    """The group's name in every API."""
    created_at: CreatedAt | None = None
    """When it was made, in microseconds; absent: the object's creation."""
    selector: LabelSelector | None = None
    """Devices that are members beside those labelled as such."""
    priority: Annotated[int, Field(ge=-2_147_483_648, le=2_147_483_647)] = 25
    """Of several groups that hold a device, the one with the lowest number is active."""
    policy: Annotated[str, Field(min_length=1, max_length=1100), _POLICY, PRINTABLE] = "no_update,"
    """What members are to run: no_update, or exact_match,VERSION."""
    packages: Annotated[list[ObjectName], Field(max_length=1000), ATOMIC] | None = None
    """The Packages that may be used to get there."""
    hold: bool | None = None
    """Whether members get no updates."""
    metadata: JsonText | None = None
    """Free JSON of clients, as text."""


class MembershipChange(Part):
    """A change of many members on its way."""

    id: Annotated[str, Field(min_length=1, max_length=63)]
    """The change's name, as the marks on devices spell it."""
    deadline: Instant
    """When the operator gives it up, unless it is committed."""
    committed: bool | None = None
    """Whether the marks count."""
    settled_at: Instant | None = None
    """When the last mark of a committed change was seen to be gone."""


class DatedSelector(Part):
    """Since when the group has its selector."""

    digest: Annotated[str, Field(min_length=1, max_length=64)]
    """Which selector that is."""
    since: Instant
    """When it was another one at the latest."""


class DeviceGroupStatus(Status):
    """Counts, and the membership changes under way."""

    members: Count | None = None
    """How many devices are members."""
    serial: Serial | None = None
    """Its serial, to be restored from if the label is lost."""
    changes: Annotated[list[MembershipChange], Field(max_length=128), list_map("id")] | None = None
    """The membership changes under way."""
    selector: DatedSelector | None = None
    """Since when the selector is what it is; absent without one."""


class DeviceGroup(CustomResource):
    """A named set of devices, and what they are to run."""

    names: ClassVar[Names] = Names("DeviceGroup", "devicegroups", ("grp", "group", "groups"))
    columns: ClassVar[tuple[Column, ...]] = (
        Column("Group", ".spec.name"),
        Column("Policy", ".spec.policy"),
        Column("Priority", ".spec.priority", "integer"),
        Column("Members", ".status.members", "integer"),
        READY,
        REASON,
        SERIAL,
        APPLICATION,
    )
    selectable: ClassVar[tuple[str, ...]] = (".spec.application", ".spec.name")

    spec: DeviceGroupSpec
    """What people want of it."""
    status: DeviceGroupStatus | None = None
    """What Polyfleet observed."""
