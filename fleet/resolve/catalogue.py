"""The catalogue: an immutable snapshot of the software and of who it is for."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Protocol, TypeVar

from polyfleet.fleet import artifacts, membership
from polyfleet.fleet.memory import is_long, remembering
from polyfleet.fleet.objects.application import Application
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.group import DeviceGroup, DeviceGroupSpec
from polyfleet.fleet.objects.metadata import GROUP_LABEL_PREFIX, ObjectMeta
from polyfleet.fleet.objects.package import Package
from polyfleet.fleet.objects.rollout import Rollout
from polyfleet.fleet.resolve.facts import Takes
from polyfleet.fleet.resolve.node import Node, node_of
from polyfleet.fleet.resolve.offers import Asker, Offers, choose, offers_for
from polyfleet.fleet.resolve.plan import Plan, plan_for
from polyfleet.fleet.resolve.policy_version import decide

MAX_PLANS = 2048
MOST_ANSWERS = 65_536


class _Owned(Protocol):
    @property
    def application(self) -> str: ...


class _Child(Protocol):
    @property
    def metadata(self) -> ObjectMeta: ...
    @property
    def spec(self) -> _Owned: ...


Child = TypeVar("Child", bound=_Child)


class Catalogue:
    """What there is to be offered, without what is being deleted or has lost its application.

    `applications`, `groups`, `packages` and `rollouts` are by object name. Plans and decisions
    are remembered inside, in bounded numbers, unless what the device tells is long; they never
    change an answer. Build a new catalogue when one of the four kinds changes.
    """

    def __init__(
        self,
        applications: Mapping[str, Application],
        groups: Mapping[str, DeviceGroup],
        packages: Mapping[str, Package],
        rollouts: Mapping[str, Rollout],
        without_file: frozenset[str] = frozenset(),
    ) -> None:
        self.applications = applications
        self.groups = groups
        self.packages = packages
        self.rollouts = rollouts
        self._without_file = without_file
        self._selecting: dict[str, list[DeviceGroup]] = defaultdict(list)
        for group in groups.values():
            if group.spec.selector is not None:
                self._selecting[group.spec.application].append(group)
        self._nodes: dict[str, Node] = {}
        # Keyed by identity: a group's spec is long to hash, and holding it keeps the id its own.
        self._plans: dict[tuple[int, str | None, Takes], tuple[DeviceGroupSpec, Plan]] = {}
        self._offers: dict[str, Offers] = {}
        self.decide = _remembering_policies(decide)
        self.choose = remembering(_told_for_offers, MOST_ANSWERS)(choose)

    @classmethod
    def build(
        cls,
        applications: Iterable[Application],
        groups: Iterable[DeviceGroup],
        packages: Iterable[Package],
        rollouts: Iterable[Rollout],
    ) -> "Catalogue":
        """Take a snapshot; the order of what is given does not matter."""
        present = {item.metadata.name: item for item in applications if item.present}
        packages = list(packages)
        return cls(
            MappingProxyType(present),
            _visible(groups, present),
            _visible(packages, present),
            _visible(rollouts, present),
            artifacts.without_file(packages),
        )

    def groups_of(self, device: Device) -> tuple[DeviceGroup, ...]:
        """Return the groups that the device is in, the active one first."""
        prefix = len(GROUP_LABEL_PREFIX)
        likely = {
            key[prefix:]: self.groups.get(key[prefix:])
            for key in device.metadata.labels
            if key.startswith(GROUP_LABEL_PREFIX)
        }
        for group in self._selecting.get(device.spec.application, ()):
            likely[group.metadata.name] = group
        return membership.groups_of(device, (group for group in likely.values() if group))

    def plan(
        self, group: DeviceGroup, version: str, device_type: str | None, takes: Takes = "artifact"
    ) -> Plan:
        """Return how devices of the type reach the version that the group's policy names."""
        key = (id(group.spec), device_type, takes)
        found = self._plans.get(key)
        if found is not None:
            return found[1]
        nodes = [node for name in group.spec.packages if (node := self.node(name, group, takes))]
        plan = plan_for(group.metadata.name, version, device_type, nodes)
        if is_long((device_type,)):
            return plan
        if len(self._plans) >= MAX_PLANS:
            # Devices choose their type. Decisions hold on to their plans, so they go together.
            self._plans.clear()
            self.decide = _remembering_policies(decide)
        self._plans[key] = (group.spec, plan)
        return plan

    def offers(self, application: str) -> Offers:
        """Return what offers and rollouts bring in the application, without a group's policy."""
        found = self._offers.get(application)
        if found is None:
            found = self._offers[application] = offers_for(
                _of(self.packages, application),
                _of(self.groups, application),
                _of(self.rollouts, application),
                lambda package, takes: self.unusable(package, application, takes),
            )
        return found

    def node(self, name: str, group: DeviceGroup, takes: Takes = "artifact") -> Node | None:
        """Return the package of that object name as the group may use it; None if it may not.

        It may if the package is of the same application and can be handed to who asks.
        """
        package = self.packages.get(name)
        if package is None or self.unusable(package, group.spec.application, takes) is not None:
            return None
        node = self._nodes.get(name)
        if node is None:
            node = self._nodes[name] = node_of(package)
        return node

    def unusable(
        self, package: Package | None, application: str, takes: Takes = "artifact"
    ) -> str | None:
        """Return why devices of the application that take that cannot get the package.

        None if they can. A package whose file is lost is broken, whatever is asked for.
        """
        if package is None:
            return "is absent or being deleted"
        if package.spec.application != application:
            return "belongs to another application"
        if package.metadata.name in self._without_file:
            return "names the file of an older package"
        if artifacts.is_missing(package):
            return "has lost its file: the store does not have it"
        return _lacking(package, takes)


def _told_for_policy(
    plan: Plan, version: str | None, values: tuple[str | None, ...]
) -> Iterable[str | None]:
    return (plan.device_type, version, *values)


def _told_for_offers(
    offers: Offers,  # noqa: ARG001 - called as what is remembered
    asker: Asker,
) -> Iterable[str | None]:
    return (asker.device_type, asker.version, *asker.values, *asker.labels)


_remembering_policies = remembering(_told_for_policy, MOST_ANSWERS)


def _lacking(package: Package, takes: Takes) -> str | None:
    artifact, specification = package.spec.artifact, package.spec.specification
    if takes == "artifact" and artifact is None:
        return "has no artifact"
    if takes == "specification" and specification is None:
        return "has no specification"
    if artifact is None and specification is None:
        return "has neither artifact nor specification"
    return None


def _of(items: Mapping[str, Child], application: str) -> list[Child]:
    return [item for item in items.values() if item.spec.application == application]


def _visible(items: Iterable[Child], present: Mapping[str, Application]) -> Mapping[str, Child]:
    return MappingProxyType(
        {
            item.metadata.name: item
            for item in items
            if not item.metadata.terminating and item.spec.application in present
        }
    )
