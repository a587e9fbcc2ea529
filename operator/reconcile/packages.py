"""Package: who uses it, and whether it may go."""

from dataclasses import dataclass
from datetime import datetime

from polyfleet.fleet.artifacts import is_missing
from polyfleet.fleet.conditions import has_reason, holds
from polyfleet.fleet.json_text import is_json
from polyfleet.fleet.objects.package import Package
from polyfleet.fleet.resolve.offers import SUSPENDED, TARGETED
from polyfleet.fleet.versions import precedence
from polyfleet.operator.reconcile.conditions import Wanted, enumerated, plain_fields, status_patch
from polyfleet.operator.reconcile.verdict import Notice, Verdict

READY = "Ready"
OFFERED = "Offered"
DELETABLE = "Deletable"
IN_USE = "InUse"


@dataclass(frozen=True)
class PackageUsers:
    """The names of what names a package."""

    groups: tuple[str, ...] = ()
    pinned_devices: tuple[str, ...] = ()
    rollouts: tuple[str, ...] = ()

    @property
    def any(self) -> bool:
        """Whether somebody uses the package."""
        return bool(self.groups or self.pinned_devices or self.rollouts)

    def __str__(self) -> str:
        parts = (
            ("groups", self.groups),
            ("pinned devices", self.pinned_devices),
            ("rollouts", self.rollouts),
        )
        return "; ".join(f"{what}: {enumerated(names)}" for what, names in parts if names)


@dataclass(frozen=True)
class PackageFacts:
    """What a package is judged by.

    `file_owner` is the older package whose file it names, `groups` all that an offer's filter may
    call a group of the application.
    """

    package: Package
    users: PackageUsers
    application_present: bool = True
    serial: int | None = None
    file_owner: str | None = None
    groups: frozenset[str] = frozenset()


def judge(facts: PackageFacts, now: datetime) -> Verdict:
    """Return what the package's status should say, and a word if its deletion has to wait."""
    package, users = facts.package, facts.users
    fields = plain_fields({"assigned": len(users.groups), "serial": facts.serial})
    wanted = [_ready(facts), *_offered(facts), _deletable(users)]
    status = status_patch(package, wanted, now, **fields)
    notices: tuple[Notice, ...] = ()
    # While its application goes, those who use it go too: nobody has to do anything.
    waiting = package.metadata.terminating and users.any and facts.application_present
    if waiting and status is not None:
        notices = (Notice("PackageInUse", f"its deletion waits for {users}", "Warning"),)
    return Verdict(status=status, notices=notices)


def not_offerable(package: Package, file_owner: str | None) -> tuple[str, str] | None:
    """Return reason and message of why no device can be given the package; None if one can.

    `file_owner` is the older package whose file it names, if it does.
    """
    spec = package.spec
    if spec.artifact is None and spec.specification is None:
        return "ArtifactMissing", "there is nothing to install"
    if file_owner is not None:
        message = f"its path is that of the file of the older package {file_owner}"
        return "ArtifactTaken", message
    if is_missing(package):
        return "ArtifactMissing", "its file is not in the store"
    return None


def may_go(package: Package, users: PackageUsers) -> bool:
    """Say whether a deleted package may be let go."""
    return package.metadata.terminating and not users.any


def waits(package: Package) -> bool:
    """Say whether people were told that somebody uses the package."""
    return has_reason(package, DELETABLE, IN_USE)


def _ready(facts: PackageFacts) -> Wanted:
    for check in (_application, _artifact, _texts):
        problem = check(facts)
        if problem is not None:
            return problem
    return Wanted(READY, True, "Reconciled", "")


def _application(facts: PackageFacts) -> Wanted | None:
    if facts.application_present:
        return None
    name = facts.package.spec.application
    return Wanted(READY, False, "ApplicationMissing", f"there is no application {name}")


def _artifact(facts: PackageFacts) -> Wanted | None:
    found = not_offerable(facts.package, facts.file_owner)
    return Wanted(READY, False, *found) if found is not None else None


def _texts(facts: PackageFacts) -> Wanted | None:
    spec = facts.package.spec
    if spec.metadata and not is_json(spec.metadata):
        return Wanted(READY, False, "InvalidMetadata", "spec.metadata is not JSON text")
    if spec.specification is not None and not is_json(spec.specification):
        return Wanted(READY, False, "InvalidSpecification", "spec.specification is not JSON text")
    return None


def _offered(facts: PackageFacts) -> list[Wanted]:
    """Say whom the package's own offer reaches; nothing of a package that never had one."""
    package = facts.package
    offer = package.spec.offer
    if offer is None:
        had = holds(package, OFFERED) is not None
        return [Wanted(OFFERED, False, "NotOffered", "there is no offer")] if had else []
    if offer.strategy == SUSPENDED:
        return [Wanted(OFFERED, False, "Suspended", "the offer is suspended")]
    missing = [part.group for part in offer.filters if part.group not in facts.groups]
    if offer.strategy == TARGETED and missing:
        message = f"no groups of the application, so nobody is in them: {enumerated(missing)}"
        reaches = len(missing) < len(offer.filters)
        return [Wanted(OFFERED, reaches, "FilterMissing", message)]
    if offer.strategy == TARGETED and not offer.filters:
        return [Wanted(OFFERED, False, "NoFilters", "a targeted offer without filters")]
    if precedence(package.spec.version) is None:
        message = "not a semantic version: only devices whose own version is none either get it"
        return [Wanted(OFFERED, True, "UnorderedVersion", message)]
    reason = "Targeted" if offer.strategy == TARGETED else "General"
    return [Wanted(OFFERED, True, reason, "")]


def _deletable(users: PackageUsers) -> Wanted:
    if users.any:
        return Wanted(DELETABLE, False, IN_USE, f"used by {users}")
    return Wanted(DELETABLE, True, "Unused", "")
