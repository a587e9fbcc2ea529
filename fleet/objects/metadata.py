"""What every custom resource carries beside its spec and status."""

import re

import msgspec

GROUP = "polyfleet.dev"
VERSION = "v1alpha1"
APPLICATION_LABEL = f"{GROUP}/application"
APPLICATION_UID_LABEL = f"{GROUP}/application-uid"
PROCESS_LABEL = f"{GROUP}/process-type"
RELEASE_LABEL = f"{GROUP}/release"
SERIAL_LABEL = f"{GROUP}/serial"
GROUP_LABEL_PREFIX = f"group.{GROUP}/"
JOINED_LABEL_PREFIX = f"joined.{GROUP}/"
ATTRIBUTE_LABEL_PREFIX = f"attr.{GROUP}/"
DELETING_ANNOTATION = f"{GROUP}/deleting"
KEPT_ANNOTATION = f"{GROUP}/kept"
FINALIZER = f"{GROUP}/operator"
NO_DATA = msgspec.Raw(b"{}")

# Short enough for every JSON reader to hold it exactly.
_SERIAL = re.compile(r"[1-9][0-9]{0,14}")


class View(msgspec.Struct, frozen=True, gc=False, rename="camel", kw_only=True):
    """An immutable view of a part of a custom resource; fields nobody reads are not kept."""


class Annotations(View, frozen=True, kw_only=True):
    """The annotations that are read; others, which can be long, are not kept.

    `deleting` is when somebody set out to delete the object, who first looks whether it is used.
    """

    deleting: str | None = msgspec.field(default=None, name=DELETING_ANNOTATION)


class Owned(View, frozen=True):
    """Fields that somebody has written; which ones nobody reads."""


class OwnedMetadata(View, frozen=True, kw_only=True):
    """What somebody has written of an object's metadata."""

    labels: Owned | None = msgspec.field(default=None, name="f:labels")


class OwnedFields(View, frozen=True, kw_only=True):
    """What somebody has written of an object."""

    metadata: OwnedMetadata | None = msgspec.field(default=None, name="f:metadata")


class ManagedFields(View, frozen=True, kw_only=True):
    """When somebody last wrote fields of an object, and which."""

    time: str = ""
    subresource: str = ""
    fields_v1: OwnedFields | None = None

    @property
    def labels(self) -> bool:
        """Whether labels are among them, or may be: what does not say counts as any."""
        if self.subresource == "status":
            return False
        fields = self.fields_v1
        return fields is None or (
            fields.metadata is not None and fields.metadata.labels is not None
        )


class ObjectMeta(View, frozen=True, kw_only=True):
    """The metadata that the rules and the dialects read."""

    name: str
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: str = ""
    deletion_timestamp: str | None = None
    labels: dict[str, str] = {}
    annotations: Annotations = Annotations()
    finalizers: tuple[str, ...] = ()
    managed_fields: tuple[ManagedFields, ...] = ()

    @property
    def changed_at(self) -> str:
        """When something other than the status was last written; empty if nobody knows."""
        entry = last_change(self.managed_fields)
        return entry.time if entry is not None else ""

    @property
    def labelled_at(self) -> str:
        """When who has set labels last wrote anything: no label was set or changed later."""
        entry = last_labelling(self.managed_fields)
        return entry.time if entry is not None else ""

    @property
    def terminating(self) -> bool:
        """Whether the object is deleted and only held by a finalizer."""
        return self.deletion_timestamp is not None

    @property
    def serial(self) -> int | None:
        """What the label says; a text that is no serial, or none as we write them, is nothing."""
        text = self.labels.get(SERIAL_LABEL, "")
        return int(text) if _SERIAL.fullmatch(text) else None


def last_change(entries: tuple[ManagedFields, ...]) -> ManagedFields | None:
    """Return the entry that tells when something other than the status was last written."""
    if len(entries) == 1 and entries[0].subresource != "status":
        return entries[0]
    return max(
        (entry for entry in entries if entry.subresource != "status"),
        key=lambda entry: entry.time,
        default=None,
    )


def last_labelling(entries: tuple[ManagedFields, ...]) -> ManagedFields | None:
    """Return the entry that tells when who has set labels last wrote anything."""
    return max(
        (entry for entry in entries if entry.labels), key=lambda entry: entry.time, default=None
    )


class Condition(View, frozen=True, kw_only=True):
    """One entry of `status.conditions`."""

    type: str
    status: str
    reason: str = ""
    message: str = ""
    last_transition_time: str = ""
    observed_generation: int = 0


class Status(View, frozen=True, kw_only=True):
    """What the status of every kind begins with."""

    observed_generation: int = 0
    conditions: tuple[Condition, ...] = ()
