"""Device: one device."""

import msgspec

from polyfleet.fleet.objects.lock import data_disables
from polyfleet.fleet.objects.metadata import NO_DATA, ObjectMeta, Status, View

_NOTHING = msgspec.Raw(b"[]")


class DeviceSpec(View, frozen=True, kw_only=True):
    """What people declare about a device.

    `attributes` stays encoded JSON (`fleet.attributes` reads it), and so does `data`: most
    requests never look at them. `disabled` holds too if only the data says so.
    """

    application: str
    device_id: str
    created_at: str = ""
    public_keys: tuple[str, ...] = ()
    endpoint_token_hashes: tuple[str, ...] = ()
    enrolled: msgspec.Raw = msgspec.Raw(b"{}")
    attributes: msgspec.Raw = _NOTHING
    disabled: bool = False
    hold: bool = False
    pin: str | None = None
    data: msgspec.Raw = NO_DATA

    def __post_init__(self) -> None:
        """Let the data lock the device out: whoever asks about it need not know of that."""
        if self.data is not NO_DATA and not self.disabled and data_disables(self.data):
            msgspec.structs.force_setattr(self, "disabled", True)


class Software(View, frozen=True, kw_only=True):
    """The software that a device last reported."""

    version: str
    at: str = ""


UNIQUE = "Unique"
"""The condition that is False for a Device whose id an older one has."""
FAILED = "Failed"
"""The state of an update that a device could not install."""


class Update(View, frozen=True, kw_only=True):
    """The update that a device was last given; `message` is why it failed.

    `rollout` and `rollout_uid` are the Rollout that offered it last, if one did.
    """

    package: str
    rollout: str | None = None
    rollout_uid: str | None = None
    state: str = ""
    progress: int = 0
    attempts: int = 0
    message: str = ""
    at: str = ""


class DeviceStatus(Status, frozen=True, kw_only=True):
    """What a device reports; `reported` stays encoded JSON as `spec.attributes` does."""

    software: Software | None = None
    reported: msgspec.Raw = _NOTHING
    capabilities: dict[str, bool] = {}
    update: Update | None = None
    last_seen: str | None = None
    serial: int | None = None


class Device(View, frozen=True, kw_only=True):
    """A Device as the cache holds it."""

    metadata: ObjectMeta
    spec: DeviceSpec
    status: DeviceStatus = DeviceStatus()

    @property
    def serial(self) -> int | None:
        """The small integer by which RDFM knows it: labels may be changed by hand, status not."""
        known = self.status.serial
        return self.metadata.serial if known is None else known

    @property
    def present(self) -> bool:
        """Whether it is somebody's device: not on its way out, and no second one of its id."""
        return not (self.metadata.terminating or self.duplicate)

    @property
    def duplicate(self) -> bool:
        """Whether the operator found an older Device of the same id: this one is nobody then."""
        conditions = self.status.conditions
        if not conditions:  # most devices have none, and rollouts ask it of all
            return False
        return any(one.type == UNIQUE and one.status == "False" for one in conditions)
