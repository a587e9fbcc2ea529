"""What is offered to the devices of an application without a group's policy.

A package comes to a device by its own offer or by a rollout that has come so far. Rules of Kaa's
software versions (facts of the OTAO document, section 1.3): a strategy, filters with dates,
versions that may be upgraded, the highest precedence first, never a downgrade.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Literal

import msgspec
from semver import Version

from polyfleet.fleet import instants, versions
from polyfleet.fleet.attributes import TYPE_KEY, VERSION_KEY
from polyfleet.fleet.objects.group import DeviceGroup, LabelSelector
from polyfleet.fleet.objects.metadata import ObjectMeta
from polyfleet.fleet.objects.package import OfferFilter, Package
from polyfleet.fleet.objects.rollout import Rollout
from polyfleet.fleet.resolve.decision import Decision
from polyfleet.fleet.resolve.facts import DeviceFacts, Takes
from polyfleet.fleet.resolve.node import Node, misfit, node_of, unmet
from polyfleet.fleet.rollout.plan import position
from polyfleet.fleet.rollout.reach import (
    LiveRollout,
    OpenStep,
    has_failed,
    live,
    reached,
    selecting,
    targets,
    was_offered,
)

GENERAL = "general"
TARGETED = "targeted"
SUSPENDED = "suspended"

Unusable = Callable[[Package, Takes], str | None]
"""Says why those who take that cannot get the package; None if they can."""

_NEVER = datetime.max.replace(tzinfo=UTC)
_LOWEST = Version(0, prerelease="0")


class Way(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Members of the group (None: all devices) are offered the package, from a moment on."""

    group: str | None
    since: datetime | None


class Candidate(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A package that is offered; `missing` are the filters whose group does not exist.

    `rollouts` bring it, too, the newest first.
    """

    node: Node
    strategy: str
    ways: tuple[Way, ...]
    missing: tuple[str, ...]
    upgradable_from: frozenset[str] | None
    rollouts: tuple[LiveRollout, ...] = ()

    @property
    def is_offered(self) -> bool:
        """Whether the package has an offer of its own that is not suspended."""
        return self.strategy in {GENERAL, TARGETED}


class Offers(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """All that is offered in an application, the highest precedence first, then the newest.

    `groups` are the object names of groups, `labels` the keys of labels and `keys` the attributes,
    beside version and type, that it depends on.
    """

    candidates: tuple[Candidate, ...]
    groups: frozenset[str]
    keys: tuple[str, ...]
    labels: tuple[str, ...]
    unusable: Unusable


class Asker(msgspec.Struct, frozen=True, kw_only=True):
    """All devices that an offer cannot tell apart: what is known about one of them."""

    takes: Takes
    device_type: str | None
    version: str | None
    values: tuple[str | None, ...]
    groups: tuple[str, ...]
    labels: tuple[str | None, ...] = ()


class Suited(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A package for an asker, by its offer `since` when or by a rollout; and the decision then.

    `steps` are the open steps of the rollout that select the asker.
    """

    candidate: Candidate
    decision: Decision
    since: datetime | None = None
    rollout: LiveRollout | None = None
    steps: tuple[OpenStep, ...] = ()


class Choice(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """The offers that reach an asker, in order of preference, and the answer if none is open."""

    suited: tuple[Suited, ...]
    otherwise: Decision


def offers_for(
    packages: Iterable[Package],
    groups: Iterable[DeviceGroup],
    rollouts: Iterable[Rollout],
    unusable: Unusable,
) -> Offers:
    """Gather what is offered of an application's packages, groups and rollouts."""
    present = {group.metadata.name: group for group in groups}
    called = names_of_groups(present.values())
    brought: dict[str, list[LiveRollout]] = defaultdict(list)
    for rollout in sorted(rollouts, key=_newest, reverse=True):
        if not rollout.spec.aborted:
            brought[rollout.spec.package].append(live(rollout, present))
    candidates = sorted(
        (
            _candidate(package, called, brought.get(package.metadata.name, []))
            for package in packages
            if is_offered(package) or package.metadata.name in brought
        ),
        key=_preference,
        reverse=True,
    )
    named = {way.group for item in candidates for way in item.ways if way.group is not None}
    selectors = []
    for found in (rollout for item in candidates for rollout in item.rollouts):
        named.update(found.groups)
        selectors += [found.selector, *(step.selector for step in found.open)]
    needs = {need.name for item in candidates for need in item.node.requires}
    return Offers(
        candidates=tuple(candidates),
        groups=frozenset(named),
        keys=tuple(sorted(needs - {VERSION_KEY, TYPE_KEY})),
        labels=tuple(sorted({key for part in selectors if part for key in _label_keys(part)})),
        unusable=unusable,
    )


def is_offered(package: Package) -> bool:
    """Say whether the package is offered to anybody without a policy."""
    offer = package.spec.offer
    return offer is not None and offer.strategy in {GENERAL, TARGETED}


def names_of_groups(groups: Iterable[DeviceGroup]) -> dict[str, str]:
    """Return the object names of the groups by what a filter may call them.

    That is the object's name, else the name in the APIs, else the uid.
    """
    groups = list(groups)
    found = {group.metadata.uid: group.metadata.name for group in groups}
    found.update((group.spec.name, group.metadata.name) for group in groups)
    found.update((group.metadata.name, group.metadata.name) for group in groups)
    return found


def asker_of(facts: DeviceFacts, offers: Offers) -> Asker:
    """Return all that the offers may read of a device."""
    return Asker(
        takes=facts.takes,
        device_type=facts.device_type,
        version=facts.version,
        values=tuple([facts.metadata.get(key) for key in offers.keys]),
        groups=tuple(
            [name for group in facts.groups if (name := group.metadata.name) in offers.groups]
        ),
        labels=tuple([facts.object_meta.labels.get(key) for key in offers.labels]),
    )


def choose(offers: Offers, asker: Asker) -> Choice:
    """Say what is for an asker. A pure function of its arguments, so that it can be remembered."""
    suited: list[Suited] = []
    runs_one = False
    for candidate in offers.candidates:
        found = suited_to(offers, candidate, asker)
        if not found:
            continue
        if obstacle(offers, candidate, asker) is not None:
            runs_one = runs_one or candidate.node.version == asker.version
            continue
        suited += found
        if any(one.rollout is None and one.since is None for one in found):
            break
    if suited:
        otherwise = Decision(package=None, reason="Waiting")
    elif runs_one:
        otherwise = Decision(package=None, reason="UpToDate", target_version=asker.version)
    else:
        otherwise = Decision(package=None, reason="NoOffer")
    return Choice(suited=tuple(suited), otherwise=otherwise)


def suited_to(offers: Offers, candidate: Candidate, asker: Asker) -> list[Suited]:
    """Return the ways by which a package is for an asker, if nothing stands in between."""
    labels = dict(zip(offers.labels, asker.labels, strict=True))
    found = [
        Suited(
            candidate=candidate,
            rollout=rollout,
            steps=selecting(rollout, labels) if rollout.state == "Open" else (),
            decision=_decision(candidate, rollout),
        )
        for rollout in candidate.rollouts
        if targets(rollout, asker.groups, labels)
    ]
    ways = _ways(candidate, asker)
    if ways:
        since = None if any(way.since is None for way in ways) else min(map(_since, ways))
        found.append(Suited(candidate=candidate, since=since, decision=_decision(candidate)))
    return found


def standing(
    suited: Suited, facts: DeviceFacts, now: datetime
) -> Literal["Open", "Waiting", "Failed"]:
    """Say whether what is for an asker has come to this very device."""
    rollout = suited.rollout
    if rollout is None:
        return "Open" if suited.since is None or suited.since <= now else "Waiting"
    if not suited.steps:
        return "Waiting"
    groups = [group.metadata.name for group in facts.groups]
    place = position(rollout.seed, facts.application, facts.device_id)
    package = suited.candidate.node.name
    offered = was_offered(rollout, package, facts.update)
    if reached(rollout, suited.steps, place, facts.object_meta, groups, offered=offered) is None:
        return "Waiting"
    failed = has_failed(rollout, package, facts.update)
    return "Failed" if failed else "Open"


def obstacle(offers: Offers, candidate: Candidate, asker: Asker) -> str | None:
    """Return why the package is not for the asker, whoever it is offered to; None if it is."""
    node = candidate.node
    unusable = offers.unusable(node.package, asker.takes)
    if unusable is not None:
        return unusable
    if not node.fits(asker.device_type):
        return misfit(node, asker.device_type)
    if node.version == asker.version:
        return "the device already runs it"
    if not versions.is_later(node.version, asker.version):
        return _no_upgrade(node.version, asker.version)
    if not _is_edge(candidate.upgradable_from, asker.version):
        return _no_edge(candidate.upgradable_from or frozenset(), asker.version)
    known = dict(zip(offers.keys, asker.values, strict=True))
    known[VERSION_KEY] = asker.version
    known[TYPE_KEY] = asker.device_type
    return " and ".join(map(str, unmet(node.requires, known.get))) or None


def out_of_reach(candidate: Candidate, asker: Asker) -> str | None:
    """Return why the offer is to others than the asker; None if it is to it."""
    if _ways(candidate, asker):
        return None
    missing = ", ".join(map(repr, candidate.missing))
    if not candidate.ways:
        return f"targeted at groups that do not exist: {missing}" if missing else "has no filters"
    groups = ", ".join(sorted({repr(way.group) for way in candidate.ways}))
    also = f" (and at groups that do not exist: {missing})" if missing else ""
    return f"targeted at groups that the device is not in: {groups}{also}"


def _candidate(
    package: Package, groups: Mapping[str, str], rollouts: Iterable[LiveRollout]
) -> Candidate:
    offer = package.spec.offer
    filters = offer.filters if offer is not None else ()
    strategy = offer.strategy if offer is not None else ""
    upgradable = package.spec.upgradable_from
    return Candidate(
        node=node_of(package),
        strategy=strategy,
        ways=_offered_ways(package, groups),
        missing=tuple(part.group for part in filters if part.group not in groups)
        if strategy == TARGETED
        else (),
        upgradable_from=None if upgradable is None else frozenset(upgradable),
        rollouts=tuple(rollouts),
    )


def _offered_ways(package: Package, groups: Mapping[str, str]) -> tuple[Way, ...]:
    offer = package.spec.offer
    if offer is not None and offer.strategy == GENERAL:
        return (Way(group=None, since=None),)
    filters = offer.filters if offer is not None and offer.strategy == TARGETED else ()
    return tuple(
        Way(group=groups[part.group], since=_start(part))
        for part in filters
        if part.group in groups
    )


def _start(part: OfferFilter) -> datetime | None:
    if part.from_ is None:
        return None
    try:
        return instants.parse(part.from_)
    except ValueError:  # a day that no calendar has passes the API server's pattern
        return _NEVER


def _preference(candidate: Candidate) -> tuple[Version, str, int, str]:
    package = candidate.node.package
    created = _born(package.metadata, package.spec.created_at)
    rank = versions.precedence(candidate.node.version) or _LOWEST
    return (rank, created, package.serial or 0, package.metadata.name)


def _ways(candidate: Candidate, asker: Asker) -> list[Way]:
    return [way for way in candidate.ways if way.group is None or way.group in asker.groups]


def _since(way: Way) -> datetime:
    return way.since or _NEVER


def _is_edge(upgradable: frozenset[str] | None, version: str | None) -> bool:
    if upgradable is None or version in upgradable:
        return True
    unknown = version is None or versions.precedence(version) is None
    return unknown and not upgradable


def _no_upgrade(version: str, running: str | None) -> str:
    if versions.precedence(version) is None:
        return f"not a semantic version, so it cannot be told whether it comes after {running!r}"
    return f"not later than {running!r}, which the device runs"


def _no_edge(upgradable: frozenset[str], version: str | None) -> str:
    runs = "reports no version" if version is None else f"runs {version!r}"
    if not upgradable:
        return f"only for devices that report no version; this one {runs}"
    shown = ", ".join(map(repr, sorted(upgradable)[:20]))
    return f"upgrades only from {shown}; the device {runs}"


def _decision(candidate: Candidate, rollout: LiveRollout | None = None) -> Decision:
    return Decision(
        package=candidate.node.package,
        reason="Offered" if rollout is None else "Rollout",
        rollout=None if rollout is None else rollout.name,
        rollout_uid=None if rollout is None else rollout.rollout.metadata.uid,
        target_version=candidate.node.version,
    )


def _label_keys(selector: LabelSelector) -> Iterator[str]:
    yield from selector.match_labels
    yield from (part.key for part in selector.match_expressions)


def _newest(rollout: Rollout) -> tuple[str, str]:
    return (_born(rollout.metadata, rollout.spec.created_at), rollout.metadata.name)


def _born(meta: ObjectMeta, created_at: str) -> str:
    """Return one form of both instants, in which the order of texts is that of time."""
    born = meta.creation_timestamp
    return created_at or (f"{born[:19]}.000000Z" if born else "")
