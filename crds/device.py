"""Device: one device."""

from typing import Annotated, ClassVar

from pydantic import Field

from polyfleet.crds.base import APPLICATION, SERIAL, Column, CustomResource, Names, Part
from polyfleet.crds.conditions import Status
from polyfleet.crds.schema import Rule
from polyfleet.crds.types import (
    ATOMIC,
    SET,
    ApplicationField,
    Attributes,
    Count,
    CreatedAt,
    Data,
    DeviceId,
    Instant,
    ObjectName,
    PublicKey,
    ReportedAttributes,
    Serial,
    Sha256,
    Text,
    ToldAttributes,
    Version,
    kept_as_it_was,
)


class Enrolled(Part):
    """What the device said when it asked to be let in."""

    at: Instant | None = None
    """When it was accepted."""
    metadata: ToldAttributes | None = None
    """Its attributes then."""


class DeviceSpec(Part):
    """What people declare about a device."""

    rules: ClassVar[tuple[Rule, ...]] = (kept_as_it_was("createdAt"),)

    application: ApplicationField
    """The application that the device belongs to."""
    device_id: DeviceId
    """The device's own name in every API, for example its MAC address."""
    created_at: CreatedAt | None = None
    """When it was made, in microseconds; absent: the object's creation."""
    public_keys: Annotated[list[PublicKey], Field(max_length=8), ATOMIC] | None = None
    """The RSA public keys (PEM) by which the device may sign in."""
    endpoint_token_hashes: Annotated[list[Sha256], Field(max_length=8), SET] | None = None
    """SHA-256 hashes of the tokens by which the device names itself in Kaa's device protocol."""
    enrolled: Enrolled | None = None
    """What the device said when it asked to be let in."""
    attributes: Attributes | None = None
    """Attributes that people declare; what the device reports takes precedence over them."""
    disabled: bool | None = None
    """Whether the device is locked out."""
    hold: bool | None = None
    """Whether the device gets no updates."""
    pin: ObjectName | None = None
    """The one Package that the device is to run, whatever its groups say."""
    data: Data | None = None
    """Structured JSON of clients of the Drogue API."""


class Software(Part):
    """The software that a device last reported."""

    version: Version
    """Its version."""
    at: Instant | None = None
    """When it was reported."""


class Update(Part):
    """The update that a device was last given."""

    package: ObjectName
    """The Package."""
    rollout: ObjectName | None = None
    """The Rollout that offered it last, if one did."""
    rollout_uid: Annotated[str, Field(max_length=128)] | None = None
    """The uid of that Rollout: one made again under the name is another one."""
    state: Annotated[str, Field(max_length=64, pattern="^([A-Z][A-Za-z]*)?$")] | None = None
    """How far the device is, in one CamelCase word."""
    progress: Annotated[int, Field(ge=0, le=100)] | None = None
    """How far the download is, in per cent."""
    attempts: Count | None = None
    """How often the device tried."""
    message: Text | None = None
    """Why it failed, as the device tells it."""
    at: Instant | None = None
    """When this last changed, but for the Rollout."""


class DeviceStatus(Status):
    """What the device reports."""

    software: Software | None = None
    """The software that it runs."""
    reported: ReportedAttributes | None = None
    """Its attributes, by the API over which they came."""
    capabilities: Annotated[dict[str, bool], Field(max_length=64)] | None = None
    """What it can do, for example shell."""
    update: Update | None = None
    """The update that it was last given."""
    last_seen: Instant | None = None
    """When it last spoke to us, to within some minutes."""
    serial: Serial | None = None
    """Its serial, to be restored from if the label is lost."""


class Device(CustomResource):
    """One device."""

    names: ClassVar[Names] = Names("Device", "devices", ("dev",))
    columns: ClassVar[tuple[Column, ...]] = (
        Column("ID", ".spec.deviceId", description="The device's own name"),
        Column("Version", ".status.software.version", description="The software it reported"),
        Column(
            "Type",
            r".metadata.labels.attr\.polyfleet\.dev/rdfm\.hardware\.devtype",
            description="The hardware that people declared, else that it reported",
        ),
        SERIAL,
        Column("Last Seen", ".status.lastSeen", "date"),
        APPLICATION,
        Column("Hold", ".spec.hold", "boolean", wide=True),
        Column("Pin", ".spec.pin", wide=True),
        Column("Disabled", ".spec.disabled", "boolean", wide=True),
    )
    selectable: ClassVar[tuple[str, ...]] = (
        ".spec.application",
        ".spec.deviceId",
        ".spec.pin",
        ".status.software.version",
    )

    spec: DeviceSpec
    """What people declare about it."""
    status: DeviceStatus | None = None
    """What it reports."""
