"""Package: one version of software for one kind of device."""

from typing import Annotated, ClassVar, Literal

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
    SET,
    ApplicationField,
    Bytes,
    Count,
    CreatedAt,
    Instant,
    JsonText,
    Serial,
    Sha256,
    Version,
    WireName,
    kept_as_it_was,
    list_map,
)

_UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


class Requirement(Part):
    """A device attribute that must equal a text before the package may be installed."""

    name: Annotated[str, Field(min_length=1, max_length=256)]
    """The attribute's name."""
    value: Annotated[str, Field(max_length=1024)]
    """What it must be."""


class Artifact(Part):
    """Where the bytes are: in our own store, or at an outside URL."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.driver == 'url' ? has(self.url) && !has(self.path)"
            " : has(self.path) && !has(self.url)",
            "driver url needs url and no path; local and s3 need path and no url",
        ),
    )

    driver: Literal["local", "s3", "url"]
    """Where the bytes are: our own folder, our own object storage, or an outside URL."""
    path: (
        Annotated[
            str,
            Field(max_length=512, pattern=f"^([A-Za-z0-9_-][A-Za-z0-9._-]*/)*{_UUID}$"),
        ]
        | None
    ) = None
    """The file in our own store."""
    url: Annotated[str, Field(max_length=2048, pattern=r"^https?://[^\s]+$")] | None = None
    """The outside URL."""
    sha256: Sha256
    """The SHA-256 of the bytes, in lower-case hexadecimal."""
    size: Bytes
    """How many bytes there are."""


class OfferFilter(Part):
    """A group that an offer reaches."""

    group: Annotated[str, Field(min_length=1, max_length=1024)]
    """The DeviceGroup; one that does not exist reaches nobody."""
    from_: Annotated[Instant | None, Field(alias="from")] = None
    """From when on; absent: at once."""


class Offer(Part):
    """To whom the package is offered without a group's policy."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.strategy != 'targeted' || has(self.filters)",
            "a targeted offer needs filters (an empty list reaches nobody)",
        ),
    )

    strategy: Literal["suspended", "targeted", "general"] = "suspended"
    """To nobody, to the groups of the filters, or to every device that may upgrade to it."""
    filters: Annotated[list[OfferFilter], Field(max_length=200), ATOMIC] | None = None
    """The groups that a targeted offer reaches."""


class PackageSpec(Part):
    """An immutable version of software; metadata, upgradableFrom and offer may change."""

    rules: ClassVar[tuple[Rule, ...]] = tuple(
        kept_as_it_was(name)
        for name in ("deviceType", "requires", "specification", "artifact", "createdAt")
    )

    application: ApplicationField
    """The application whose devices may get it."""
    version: Annotated[Version, IMMUTABLE]
    """The software's version."""
    created_at: CreatedAt | None = None
    """When it was made, in microseconds; absent: the object's creation."""
    device_type: Annotated[WireName, IMMUTABLE] | None = None
    """The only kind of device that may get it; absent: any."""
    requires: (
        Annotated[list[Requirement], Field(max_length=64), list_map("name"), IMMUTABLE] | None
    ) = None
    """What a device's attributes must be."""
    specification: Annotated[JsonText, IMMUTABLE] | None = None
    """What to install, as JSON text."""
    metadata: JsonText | None = None
    """Free JSON of clients, as text."""
    artifact: Annotated[Artifact, IMMUTABLE] | None = None
    """The bytes to install."""
    upgradable_from: Annotated[list[Version], Field(max_length=1000), SET] | None = None
    """The versions that an offer upgrades; absent: any; empty: only devices that report none."""
    offer: Offer | None = None
    """To whom it is offered without a group's policy."""


class PackageStatus(Status):
    """Who uses the package."""

    assigned: Count | None = None
    """How many groups it is assigned to."""
    serial: Serial | None = None
    """Its serial, to be restored from if the label is lost."""


class Package(CustomResource):
    """One version of software for one kind of device."""

    names: ClassVar[Names] = Names("Package", "packages", ("pkg",))
    columns: ClassVar[tuple[Column, ...]] = (
        Column("Version", ".spec.version"),
        Column("Type", ".spec.deviceType"),
        READY,
        Column("Size", ".spec.artifact.size", "integer"),
        Column("Assigned", ".status.assigned", "integer"),
        SERIAL,
        APPLICATION,
        Column("Offer", ".spec.offer.strategy", wide=True),
        REASON,
        Column("Deletable", '.status.conditions[?(@.type=="Deletable")].status', wide=True),
        Column("SHA256", ".spec.artifact.sha256", wide=True),
    )
    selectable: ClassVar[tuple[str, ...]] = (
        ".spec.application",
        ".spec.version",
        ".spec.deviceType",
    )

    spec: PackageSpec
    """What it is."""
    status: PackageStatus | None = None
    """Who uses it."""
