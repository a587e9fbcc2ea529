"""Application: counts, whom its members' names mean, and what its deletion waits for."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

import msgspec

from polyfleet.fleet.objects.application import Application, UserReference
from polyfleet.operator.reconcile.conditions import Wanted, status_patch
from polyfleet.operator.reconcile.verdict import Verdict

READY = "Ready"


@dataclass(frozen=True)
class ApplicationFacts:
    """What an application is judged by; `user_uid` finds the uid of a user by name."""

    application: Application
    devices: int
    groups: int
    packages: int
    user_uid: Callable[[str], str | None]
    older: str | None = None
    is_default: bool = False


def judge(facts: ApplicationFacts, now: datetime) -> Verdict:
    """Return what the application's status should say."""
    members = bound_members(facts.application, facts.user_uid)
    status = status_patch(
        facts.application,
        [_ready(facts)],
        now,
        devices=facts.devices,
        groups=facts.groups,
        packages=facts.packages,
        members=[msgspec.to_builtins(member) for member in members],
    )
    return Verdict(status=status)


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
            message = f"the default application still has {facts.devices} devices"
            return Wanted(READY, False, "HasDevices", message)
        return Wanted(READY, False, "Deleting", "what belongs to it is being deleted")
    if facts.older is not None:
        message = f"the older application {facts.older} has the same name in the APIs"
        return Wanted(READY, False, "DuplicateName", message)
    return Wanted(READY, True, "Reconciled", "")
