"""DeviceGroup: a named set of devices."""

from polyfleet.fleet.objects.metadata import ObjectMeta, Status, View

DEFAULT_PRIORITY = 25
DEFAULT_POLICY = "no_update,"


class SelectorRequirement(View, frozen=True, kw_only=True):
    """One expression of a Kubernetes label selector: In, NotIn, Exists or DoesNotExist."""

    key: str
    operator: str
    values: tuple[str, ...] = ()


class LabelSelector(View, frozen=True, kw_only=True):
    """A Kubernetes label selector; both halves must hold."""

    match_labels: dict[str, str] = {}
    match_expressions: tuple[SelectorRequirement, ...] = ()


class DeviceGroupSpec(View, frozen=True, kw_only=True):
    """Members by label or by selector, and what they are to run. `metadata` is JSON text."""

    application: str
    name: str
    created_at: str = ""
    selector: LabelSelector | None = None
    priority: int = DEFAULT_PRIORITY
    policy: str = DEFAULT_POLICY
    packages: tuple[str, ...] = ()
    hold: bool = False
    metadata: str = "{}"


class MembershipChange(View, frozen=True, kw_only=True):
    """A change of many members on its way: marks on devices count once it is committed.

    `settled_at` is when no mark of a committed change was left, as far as one could see.
    """

    id: str
    deadline: str
    committed: bool = False
    settled_at: str | None = None


class DatedSelector(View, frozen=True, kw_only=True):
    """Since when, at the latest, the group has the selector of that digest."""

    digest: str
    since: str


class DeviceGroupStatus(Status, frozen=True, kw_only=True):
    """Counts, and the membership changes under way."""

    members: int = 0
    serial: int | None = None
    changes: tuple[MembershipChange, ...] = ()
    selector: DatedSelector | None = None


class DeviceGroup(View, frozen=True, kw_only=True):
    """A DeviceGroup as the cache holds it."""

    metadata: ObjectMeta
    spec: DeviceGroupSpec
    status: DeviceGroupStatus = DeviceGroupStatus()

    @property
    def serial(self) -> int | None:
        """The small integer by which RDFM knows it: labels may be changed by hand, status not."""
        known = self.status.serial
        return self.metadata.serial if known is None else known
