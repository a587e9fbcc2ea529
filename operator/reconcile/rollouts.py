"""Rollout: whether what it wants to bring is there, how far it is, and what comes next."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from polyfleet.fleet import instants
from polyfleet.fleet.conditions import holds
from polyfleet.fleet.objects.group import DeviceGroup
from polyfleet.fleet.objects.package import Package
from polyfleet.fleet.objects.rollout import Rollout, RolloutCounts, RolloutFailure
from polyfleet.fleet.rollout import dates
from polyfleet.fleet.rollout.plan import promotion
from polyfleet.fleet.rollout.progress import Wait, is_too_far, next_wait
from polyfleet.fleet.rollout.reach import SNAPSHOT, LiveRollout
from polyfleet.fleet.rollout.steps import steps_of
from polyfleet.operator.reconcile.conditions import Wanted, enumerated, status_patch
from polyfleet.operator.reconcile.packages import not_offerable
from polyfleet.operator.reconcile.verdict import Notice, Verdict

READY = "Ready"
PROGRESSING = "Progressing"
COMPLETE = "Complete"
PAUSED = "Paused"
DEGRADED = "Degraded"
TOO_FAR = "PromotedTooFar"

_SETTLING = timedelta(microseconds=dates.MARGIN) + timedelta(seconds=1)
"""Kubernetes keeps dates in whole seconds."""


@dataclass(frozen=True)
class RolloutFacts:
    """What a rollout is judged by: as it is to be, and as it was when it was looked at.

    `rollout` is `before` with the steps that open now; `counts` is None where nothing was counted.
    `nobody` says that the step opened last is known to reach nobody now, `planned_in` in how many
    seconds it will be planned, if it is not yet.
    """

    before: Rollout
    rollout: LiveRollout
    ready: Wanted
    counts: RolloutCounts | None
    failures: tuple[RolloutFailure, ...] = ()
    nobody: bool = False
    planned_in: float | None = None


def ready(
    rollout: Rollout,
    package: Package | None,
    groups: Iterable[DeviceGroup],
    *,
    application_present: bool,
    file_owner: str | None = None,
) -> Wanted:
    """Return the Ready condition; `groups` are those it names that exist.

    `file_owner` is the older package whose file the rollout's package names, if it does.
    """
    spec = rollout.spec
    if not application_present:
        return _not_ready("ApplicationMissing", f"there is no application {spec.application}")
    if (
        package is None
        or package.metadata.terminating
        or package.spec.application != spec.application
    ):
        message = f"{spec.package} is no package of application {spec.application}"
        return _not_ready("PackageMissing", message)
    problem = not_offerable(package, file_owner)
    if problem is not None:
        reason, message = problem
        return _not_ready("PackageNotReady", f"package {spec.package}: {reason}: {message}")
    present = {
        group.metadata.name: group
        for group in groups
        if group.spec.application == spec.application and not group.metadata.terminating
    }
    missing = [name for name in spec.targets.groups if name not in present]
    if missing:
        message = f"not groups of application {spec.application}: {enumerated(missing)}"
        return _not_ready("GroupMissing", message)
    return _datable(rollout, present.values()) or Wanted(READY, True, "Reconciled", "")


def settles_at(rollout: Rollout) -> datetime | None:
    """Return when a plan can be made: all who were targets before the edit must be known."""
    if rollout.spec.target_selection != SNAPSHOT:
        return None
    changed = rollout.metadata.changed_at or rollout.metadata.creation_timestamp
    return instants.parse(changed) + _SETTLING if changed else None


def judge(facts: RolloutFacts, now: datetime) -> Verdict:
    """Return what the rollout's status should say, what to tell people, and when to look again."""
    rollout = facts.rollout.rollout
    status = rollout.status
    planned = facts.rollout.state != "Unplanned"
    wait = next_wait(rollout, nobody=facts.nobody) if planned else None
    wanted = _conditions(facts, wait)
    opened = len(status.steps)
    fields = {
        "plan": status.plan,
        "seed": status.seed,
        "steps": msgspec.to_builtins(status.steps),
        "step": f"{opened}/{facts.rollout.count}",
        "failures": msgspec.to_builtins(facts.failures),
    }
    if facts.counts is not None:
        fields["counts"] = msgspec.to_builtins(facts.counts)
    awaits = promotion(facts.rollout.digest, opened) if wait is not None else None
    if awaits != (facts.before.status.awaits or None):
        fields["awaits"] = awaits
    if status.promoted != facts.before.status.promoted:
        fields["promoted"] = status.promoted or None
    # Compared with what is there, not with what is to be.
    patch = status_patch(facts.before, wanted, now, **fields)
    again = facts.planned_in
    if wait is not None and wait.at is not None and facts.rollout.state == "Open":
        again = max(0.0, (wait.at - now).total_seconds())
    return Verdict(status=patch, notices=_notices(facts, wanted), again_after=again)


def _conditions(facts: RolloutFacts, wait: Wait | None) -> list[Wanted]:
    progressing = _progressing(facts, wait)
    paused = progressing.reason in {"Paused", "AwaitingPromotion", "AwaitingTime"}
    counts = facts.counts or facts.rollout.rollout.status.counts
    failed = counts.failed
    names = enumerated([failure.device for failure in facts.failures])
    more = failed - len(facts.failures)
    message = f"{failed} could not install it: {names}{f' and {more} more' if more > 0 else ''}"
    complete = progressing.reason == "Complete"
    why_not = "" if complete else progressing.reason
    return [
        facts.ready,
        progressing,
        Wanted(
            COMPLETE,
            complete,
            why_not or "AllUpdated",
            f"{counts.updated} of {counts.total} run it",
        ),
        Wanted(PAUSED, True, progressing.reason, progressing.message)
        if paused
        else Wanted(PAUSED, False, "NotPaused", ""),
        Wanted(DEGRADED, True, "DevicesFailed", message)
        if failed
        else Wanted(DEGRADED, False, "NoFailures", ""),
    ]


def _progressing(facts: RolloutFacts, wait: Wait | None) -> Wanted:
    return _stopped(facts) or _going(facts, wait)


def _stopped(facts: RolloutFacts) -> Wanted | None:
    """Say why it goes no further, if it does not."""
    state = facts.rollout.state
    if state == "Aborted":
        return Wanted(PROGRESSING, False, "Aborted", "it offers nothing any more")
    if not facts.ready.holds:
        return Wanted(PROGRESSING, False, "NotReady", facts.ready.message)
    if state == "Paused":
        return Wanted(PROGRESSING, False, "Paused", "it offers nothing for now")
    if state == "Unplanned":
        return Wanted(PROGRESSING, True, "Planning", "nothing is offered until the plan is made")
    return None


def _going(facts: RolloutFacts, wait: Wait | None) -> Wanted:
    counts = facts.counts or facts.rollout.rollout.status.counts
    if counts.total and counts.updated == counts.total:
        return Wanted(PROGRESSING, False, "Complete", f"all {counts.total} run it")
    if wait is not None:
        message = f"{wait}{_too_far(facts, wait)}"
        return Wanted(PROGRESSING, wait.until != "Promotion", f"Awaiting{wait.until}", message)
    if not counts.total:
        return Wanted(PROGRESSING, False, "NoTargets", "there is no device that it may reach")
    return Wanted(PROGRESSING, True, "LastStep", "the last step is open")


def _too_far(facts: RolloutFacts, wait: Wait) -> str:
    rollout = facts.rollout.rollout
    if not is_too_far(wait, rollout, facts.rollout.digest):
        return ""
    return f"; {TOO_FAR}: {rollout.spec.promoted} opens nothing before its own step waits"


def _notices(facts: RolloutFacts, wanted: list[Wanted]) -> tuple[Notice, ...]:
    before, after = facts.before.status, facts.rollout.rollout.status
    notices = []
    if after.plan != before.plan:
        steps = len(steps_of(facts.before.spec))
        notices.append(Notice("Planned", f"a plan of {steps} steps is made: {after.plan}"))
    same = before.steps if after.plan == before.plan else ()
    for number, step in enumerate(after.steps[len(same) :], start=len(same) + 1):
        message = (
            f"step {number} opens to {step.frontier:.4f}, for a population of {step.population}"
        )
        notices.append(Notice("StepOpened", message))
    told = {COMPLETE: "Normal", DEGRADED: "Warning"}
    for one in wanted:
        if one.type in told and one.holds and not holds(facts.before, one.type):
            kind = "Warning" if told[one.type] == "Warning" else "Normal"
            notices.append(Notice(one.reason, one.message, kind))  # type: ignore[arg-type]  # of two
    was = {condition.type: condition.message for condition in facts.before.status.conditions}
    notices += [
        Notice(TOO_FAR, one.message, "Warning")
        for one in wanted
        if one.type == PROGRESSING and TOO_FAR in one.message and one.message != was.get(one.type)
    ]
    aborted = any(one.reason == "Aborted" for one in wanted if one.type == PROGRESSING)
    known = {condition.type: condition.reason for condition in before.conditions}
    if aborted and known.get(PROGRESSING) != "Aborted":
        notices.append(Notice("Aborted", "it offers nothing any more"))
    return tuple(notices)


def _datable(rollout: Rollout, groups: Iterable[DeviceGroup]) -> Wanted | None:
    """Say what cannot be dated: of a snapshot, one must know since when a device is a target."""
    steps = steps_of(rollout.spec)
    if rollout.spec.target_selection != SNAPSHOT or len(steps) == 1:
        return None
    selectors = {"spec.targets": rollout.spec.targets.selector}
    selectors |= {f"step {number}": step.selector for number, step in enumerate(steps, start=1)}
    selectors |= {f"group {group.metadata.name}": group.spec.selector for group in groups}
    wrong = [where for where, selector in selectors.items() if not dates.datable(selector)]
    if not wrong:
        return None
    message = (
        f"NotIn and DoesNotExist in {enumerated(wrong)}: nobody can tell since when a label is"
        " absent; use In, Exists or groups, or targetSelection Continuous"
    )
    return _not_ready("UndatedTargets", message)


def _not_ready(reason: str, message: str) -> Wanted:
    return Wanted(READY, False, reason, message)
