"""Application: a fleet of devices, the software for them, and the workload that serves them."""

import msgspec

from polyfleet.fleet.objects.metadata import GROUP, NO_DATA, ObjectMeta, Status, View

KEEPS_DEVICES = f"{GROUP}/keeps-devices"
"""The default application's second finalizer: it is taken off once the last device is gone."""


class UserReference(View, frozen=True, kw_only=True):
    """A person by name; the uid, once known, keeps a name registered again from inheriting."""

    user: str
    uid: str | None = None


class Member(UserReference, frozen=True, kw_only=True):
    """A person with a role in an application: `reader`, `manager` or `admin`."""

    role: str


class ApplicationSpec(View, frozen=True, kw_only=True):
    """Who owns an application and who may do what in it.

    `data` stays encoded JSON: only clients of the Drogue API look at it.
    """

    name: str
    created_at: str = ""
    owner: UserReference | None = None
    members: tuple[Member, ...] = ()
    transfer_to: UserReference | None = None
    data: msgspec.Raw = NO_DATA


class ApplicationStatus(Status, frozen=True, kw_only=True):
    """Counts, and the uids first bound to members named without one."""

    devices: int = 0
    groups: int = 0
    packages: int = 0
    members: tuple[UserReference, ...] = ()
    last_release: int = 0


class Application(View, frozen=True, kw_only=True):
    """An Application as the cache holds it."""

    metadata: ObjectMeta
    spec: ApplicationSpec
    status: ApplicationStatus = ApplicationStatus()

    @property
    def present(self) -> bool:
        """Whether it is served: not if it is being deleted, unless that waits for its devices."""
        return not self.metadata.terminating or KEEPS_DEVICES in self.metadata.finalizers
