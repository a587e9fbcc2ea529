"""Package: one version of software for one kind of device."""

import msgspec

from polyfleet.fleet.objects.metadata import ObjectMeta, Status, View


class Requirement(View, frozen=True, kw_only=True):
    """A device attribute that must equal a text before the package may be installed."""

    name: str
    value: str


class Artifact(View, frozen=True, kw_only=True):
    """Where the bytes are: `path` in our own store (`local`, `s3`) or an outside `url`."""

    driver: str
    path: str | None = None
    url: str | None = None
    sha256: str = ""
    size: int = 0


class OfferFilter(View, frozen=True, kw_only=True):
    """A group that an offer reaches, from a date on (absent: at once)."""

    group: str
    from_: str | None = msgspec.field(default=None, name="from")


class Offer(View, frozen=True, kw_only=True):
    """To whom a package is offered without a group's policy: suspended, targeted or general."""

    strategy: str = "suspended"
    filters: tuple[OfferFilter, ...] = ()


class PackageSpec(View, frozen=True, kw_only=True):
    """An immutable version of software.

    `specification` and `metadata` are JSON text; an empty `metadata` is an absent one.
    """

    application: str
    version: str
    created_at: str = ""
    device_type: str | None = None
    requires: tuple[Requirement, ...] = ()
    specification: str | None = None
    metadata: str = ""
    artifact: Artifact | None = None
    upgradable_from: tuple[str, ...] | None = None
    offer: Offer | None = None


class PackageStatus(Status, frozen=True, kw_only=True):
    """How many groups the package is assigned to."""

    assigned: int = 0
    serial: int | None = None


class Package(View, frozen=True, kw_only=True):
    """A Package as the cache holds it."""

    metadata: ObjectMeta
    spec: PackageSpec
    status: PackageStatus = PackageStatus()

    @property
    def serial(self) -> int | None:
        """The small integer by which RDFM knows it: labels may be changed by hand, status not."""
        known = self.status.serial
        return self.metadata.serial if known is None else known
