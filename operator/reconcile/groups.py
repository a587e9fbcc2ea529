"""DeviceGroup: whether what it wants of its members can be had."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import msgspec

from polyfleet.fleet import policy, selectors
from polyfleet.fleet.json_text import is_object
from polyfleet.fleet.objects.group import DeviceGroup
from polyfleet.fleet.objects.package import Package
from polyfleet.fleet.rollout.dates import dated_selector
from polyfleet.operator.reconcile.conditions import (
    Wanted,
    enumerated,
    plain_fields,
    status_patch,
)
from polyfleet.operator.reconcile.verdict import Verdict

READY = "Ready"


@dataclass(frozen=True)
class GroupFacts:
    """What a group is judged by.

    `packages` holds those of the named packages that exist; `older` is the name of an older group
    with the same name; `serial` is the one that it carries or is about to.
    """

    group: DeviceGroup
    members: int
    packages: Mapping[str, Package]
    application_present: bool = True
    older: str | None = None
    serial: int | None = None


def judge(facts: GroupFacts, now: datetime) -> Verdict:
    """Return what the group's status should say."""
    fields = plain_fields({"members": facts.members, "serial": facts.serial})
    fields["selector"] = msgspec.to_builtins(dated_selector(facts.group))
    return Verdict(status=status_patch(facts.group, [ready(facts)], now, **fields))


def ready(facts: GroupFacts) -> Wanted:
    """Return the Ready condition: the first check that fails gives its reason."""
    for check in (_application, _only_one, _selector, _metadata, _packages, _target):
        problem = check(facts)
        if problem is not None:
            return problem
    return Wanted(READY, True, "Reconciled", "")


def _application(facts: GroupFacts) -> Wanted | None:
    if facts.application_present:
        return None
    name = facts.group.spec.application
    return Wanted(READY, False, "ApplicationMissing", f"there is no application {name}")


def _only_one(facts: GroupFacts) -> Wanted | None:
    if facts.older is None:
        return None
    message = f"the older group {facts.older} has the same name in the APIs"
    return Wanted(READY, False, "DuplicateName", message)


def _selector(facts: GroupFacts) -> Wanted | None:
    selector = facts.group.spec.selector
    invalid = selectors.invalid_keys(selector) if selector is not None else []
    if not invalid:
        return None
    return Wanted(READY, False, "InvalidSelector", f"not label keys: {enumerated(invalid)}")


def _metadata(facts: GroupFacts) -> Wanted | None:
    if is_object(facts.group.spec.metadata):
        return None
    return Wanted(READY, False, "InvalidMetadata", "spec.metadata is not the text of a JSON object")


def _packages(facts: GroupFacts) -> Wanted | None:
    application = facts.group.spec.application
    missing = [
        name
        for name in facts.group.spec.packages
        if (package := facts.packages.get(name)) is None
        or package.metadata.terminating
        or package.spec.application != application
    ]
    if not missing:
        return None
    message = f"not packages of application {application}: {enumerated(missing)}"
    return Wanted(READY, False, "PackageMissing", message)


def _target(facts: GroupFacts) -> Wanted | None:
    try:
        wanted = policy.parse(facts.group.spec.policy)
    except policy.InvalidPolicy as error:
        return Wanted(READY, False, "InvalidPolicy", str(error))
    if wanted.version is None:
        return None
    if any(package.spec.version == wanted.version for package in facts.packages.values()):
        return None
    message = f"none of the group's packages has version {wanted.version}"
    return Wanted(READY, False, "TargetMissing", message)
