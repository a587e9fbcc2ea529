"""Application: counts, whom its members' names mean, and what its deletion waits for."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from polyfleet.fleet.conditions import has_reason
from polyfleet.fleet.objects.application import KEEPS_DEVICES, Application, UserReference
from polyfleet.fleet.objects.metadata import FINALIZER
from polyfleet.operator.reconcile.conditions import Wanted, enumerated, status_patch
from polyfleet.operator.reconcile.oversized import oversized, oversized_notice
from polyfleet.operator.reconcile.verdict import Notice, Verdict

READY = "Ready"
HAS_DEVICES = "HasDevices"


@dataclass(frozen=True)
class ApplicationFacts:
    """What an application is judged by; `user_uid` finds the uid of a user by name."""

    application: Application
    devices: int
    groups: int
    packages: int
    user_uid: Callable[[str], str | None]
    is_default: bool = False


def judge(facts: ApplicationFacts, now: datetime) -> Verdict:
    """Return what the application's status should say."""
    members = bound_members(facts.application, facts.user_uid)
    large = oversized(facts.application, facts.application.spec)
    status = status_patch(
        facts.application,
        [_ready(facts), *([large] if large is not None else ())],
        now,
        devices=facts.devices,
        groups=facts.groups,
        packages=facts.packages,
        members=[msgspec.to_builtins(member) for member in members],
    )
    notices: tuple[Notice, ...] = ()
    told = has_reason(facts.application, READY, HAS_DEVICES)
    if facts.application.metadata.terminating and deletion_waits(facts) and not told:
        notices = (Notice(HAS_DEVICES, _waiting(facts), "Warning"),)
    if (notice := oversized_notice(facts.application, facts.application.spec)) is not None:
        notices += (notice,)
    return Verdict(metadata=finalizers_patch(facts), status=status, notices=notices)


def finalizers_patch(facts: ApplicationFacts) -> dict[str, Any] | None:
    """Return the merge patch for the finalizers; None if they are as they should be."""
    metadata = facts.application.metadata
    wanted = [name for name in metadata.finalizers if name != KEEPS_DEVICES]
    if not metadata.terminating and FINALIZER not in wanted:
        wanted.append(FINALIZER)
    held = KEEPS_DEVICES in metadata.finalizers
    # The API server takes no new finalizers for what is being deleted.
    if facts.is_default and ((deletion_waits(facts) and held) or not metadata.terminating):
        wanted.append(KEEPS_DEVICES)
    return {"metadata": {"finalizers": wanted}} if set(wanted) != set(metadata.finalizers) else None


def deletion_waits(facts: ApplicationFacts) -> bool:
    """Say whether the deletion has to wait: the default application never loses devices."""
    return facts.is_default and facts.devices > 0


def bound_members(
    application: Application, user_uid: Callable[[str], str | None]
) -> tuple[UserReference, ...]:
    """Return whom the names without a uid mean: the first user of that name who was ever seen.

    A name that is bound stays bound, so that a name registered again inherits nothing.
    """
    bound = {member.user: member.uid for member in application.status.members}
    found = []
    for name in sorted(set(_unbound_names(application))):
        uid = bound.get(name) or user_uid(name)
        if uid is not None:
            found.append(UserReference(user=name, uid=uid))
    return tuple(found)


def named_users(application: Application) -> frozenset[str]:
    """Return the names of the people that the application names without a uid."""
    return frozenset(_unbound_names(application))


def _unbound_names(application: Application) -> Iterable[str]:
    spec = application.spec
    for reference in (spec.owner, *spec.members, spec.transfer_to):
        if reference is not None and reference.uid is None and reference.user:
            yield reference.user


def _ready(facts: ApplicationFacts) -> Wanted:
    if facts.application.metadata.terminating:
        if deletion_waits(facts):
            return Wanted(READY, False, HAS_DEVICES, _waiting(facts))
        return Wanted(READY, False, "Deleting", "what belongs to it is being deleted")
    bound = {member.user for member in bound_members(facts.application, facts.user_uid)}
    unknown = sorted(named_users(facts.application) - bound)
    message = f"there are no users of these names: {enumerated(unknown)}" if unknown else ""
    return Wanted(READY, True, "Reconciled", message)


def _waiting(facts: ApplicationFacts) -> str:
    name = facts.application.metadata.name
    return (
        f"its deletion waits: it still has {facts.devices} devices, which it serves as before. "
        "Delete them to go on. To keep them, take its finalizers off ("
        f"kubectl patch application {name} --type=merge "
        """-p '{"metadata":{"finalizers":null}}'): it is made anew at once, """
        "without its owner and members"
    )
