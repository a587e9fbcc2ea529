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


class Process(View, frozen=True, kw_only=True):
    """How many instances of a process type are wanted."""

    type: str
    replicas: int


class Change(View, frozen=True, kw_only=True):
    """Who last asked for a new release over an API; the Release carries `id` as `change`."""

    id: str
    by: str
    rollback_of: int | None = None


class Workload(View, frozen=True, kw_only=True):
    """What runs in the cluster; without `build` the newest one, without `processes` a default."""

    build: str | None = None
    processes: tuple[Process, ...] | None = None
    change: Change | None = None


class Configuration(View, frozen=True, kw_only=True):
    """Limits and placement; `uuid` names the Secret of the values (`fleet.names`)."""

    uuid: str | None = None
    owner: str = ""
    created: str = ""
    memory: dict[str, str] = {}
    cpu: dict[str, int] = {}
    tags: dict[str, str] = {}


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
    workload: Workload | None = None
    config: Configuration | None = None


class RunningProcess(View, frozen=True, kw_only=True):
    """How many instances of a process type are wanted, and how many are ready."""

    type: str
    replicas: int = 0
    ready: int = 0


class ApplicationStatus(Status, frozen=True, kw_only=True):
    """Counts, the uids first bound to members named without one, and how the workload is."""

    devices: int = 0
    groups: int = 0
    packages: int = 0
    members: tuple[UserReference, ...] = ()
    last_release: int = 0
    release: int = 0
    deployed_release: int = 0
    processes: tuple[RunningProcess, ...] = ()
    running: str = ""


class Application(View, frozen=True, kw_only=True):
    """An Application as the cache holds it."""

    metadata: ObjectMeta
    spec: ApplicationSpec
    status: ApplicationStatus = ApplicationStatus()

    @property
    def present(self) -> bool:
        """Whether it is served: not if it is being deleted, unless that waits for its devices."""
        return not self.metadata.terminating or KEEPS_DEVICES in self.metadata.finalizers
