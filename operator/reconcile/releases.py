"""Release: which one is to run, how far its deploy is, and what people are told of it.

A deploy is judged as a whole: it is over when all process types of the release are available, and
has failed when they are not within the deadline. Then the last good release is deployed again and
the failed one keeps its reason. All of it is read from conditions, so a restart changes nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec

from polyfleet.fleet.instants import parse
from polyfleet.fleet.objects.application import Application
from polyfleet.fleet.objects.metadata import Condition
from polyfleet.fleet.objects.release import Release
from polyfleet.operator.reconcile.conditions import (
    Wanted,
    condition_list,
    enumerated,
    holds,
    status_patch,
)
from polyfleet.operator.reconcile.progress import (
    NOT_READY,
    ProcessState,
    Trouble,
    counts,
    is_available,
    is_hopeless,
    is_pulling,
    trouble,
)
from polyfleet.operator.reconcile.verdict import Notice, Verdict

CURRENT = "Current"
DEPLOYED = "Deployed"
FAILED = "Failed"
PROGRESSING = "Progressing"
READY = "Ready"
WORKLOAD_READY = "WorkloadReady"

_DEPLOYING = "Deploying"
_SUPERSEDED = "Superseded"
_NEVER = float("inf")


@dataclass(frozen=True)
class ReleaseFacts:
    """What the releases of an application are judged by.

    `chosen` is the one to run, `found` what kept the operator from bringing it to run, `refused`
    the variables that Kubernetes does not take, `standing` the numbers of the releases that are
    replaced before anything was said of them, and whose instances are all available.
    """

    application: Application
    newest: Release
    chosen: Release
    releases: tuple[Release, ...]
    processes: tuple[ProcessState, ...]
    deadline: timedelta
    pulling: timedelta
    found: Trouble | None = None
    refused: tuple[str, ...] = ()
    standing: frozenset[int] = frozenset()

    @property
    def label(self) -> str:
        """The label of the Pods of the release that is to run."""
        return f"v{self.chosen.spec.version}"

    @property
    def complete(self) -> bool:
        """Whether all that is to run of the release is available."""
        return self.found is None and all(
            is_available(process, self.label) for process in self.processes
        )

    @property
    def trouble(self) -> Trouble | None:
        """What keeps the release from being available."""
        return self.found or trouble(self.processes, self.label)


def target(newest: Release, releases: Iterable[Release]) -> Release:
    """Return the release to run: the newest, or if that has failed the last good one, if any."""
    if not holds(newest, FAILED):
        return newest
    return _last_good(newest, releases) or newest


def unjudged(chosen: Release, releases: Iterable[Release]) -> list[Release]:
    """Return the releases that were replaced before it was seen whether they came to run."""
    return [
        release
        for release in releases
        if release.metadata.name != chosen.metadata.name
        and release.spec.build is not None
        and not holds(release, DEPLOYED)
        and not holds(release, FAILED)
    ]


def judge_releases(
    facts: ReleaseFacts, now: datetime
) -> tuple[list[tuple[Release, Verdict]], float]:
    """Return what the releases' status should say, and in how many seconds to look again."""
    verdict, again = _judge_chosen(facts, now)
    # The others first: whether one of them is good must be told before the chosen one has failed.
    found = [
        (release, _judge_other(facts, release, now))
        for release in facts.releases
        if release.metadata.name != facts.chosen.metadata.name
    ]
    found.append((facts.chosen, verdict))
    return [(one, what) for one, what in found if what.status is not None], again


def judge_application(facts: ReleaseFacts, now: datetime) -> Verdict:
    """Return what the Application's status should say of its workload."""
    fields: dict[str, Any] = {"release": facts.chosen.spec.version, **counts(facts.processes)}
    if facts.complete and facts.chosen.spec.build is not None:
        fields["deployedRelease"] = facts.chosen.spec.version
    return Verdict(status=_workload_patch(facts.application, _of_application(facts), now, fields))


def refuse(application: Application, found: Trouble, now: datetime) -> Verdict:
    """Return what the Application's status should say if no Release can be made of it."""
    wanted = [Wanted(WORKLOAD_READY, False, *found), Wanted(PROGRESSING, False, *found)]
    return Verdict(status=_workload_patch(application, wanted, now, {}))


def _judge_chosen(facts: ReleaseFacts, now: datetime) -> tuple[Verdict, float]:
    release, problem = facts.chosen, facts.trouble
    if facts.complete:
        return _deployed(facts, now), _NEVER
    shown = problem if problem is not None and problem.reason != NOT_READY else None
    why = shown or Trouble(_DEPLOYING, "its processes are not all available yet")
    wanted = [Wanted(CURRENT, True, "Running", ""), Wanted(READY, False, *why)]
    if holds(release, DEPLOYED) or holds(release, FAILED):
        # It was good once, or there is none to return to: it is kept, and may recover.
        return _told(release, wanted, shown, now), _NEVER
    since = _since(release.status.conditions, PROGRESSING)
    started = since if since is not None and holds(release, PROGRESSING) else now
    pulling = facts.pulling if is_pulling(facts.processes, facts.label) else timedelta()
    left = (started + facts.deadline + pulling - now).total_seconds()
    if left > 0 and not is_hopeless(problem):
        wanted.append(Wanted(PROGRESSING, True, _DEPLOYING, ""))
        return _told(release, wanted, shown, now), left
    seconds = int(facts.deadline.total_seconds())
    late = f"it was not available within {seconds} s"
    if problem is None or problem.reason == NOT_READY:
        why = Trouble("ProgressDeadlineExceeded", f"{late}; {problem.message}" if problem else late)
    failed = [
        Wanted(CURRENT, True, "Running", ""),
        Wanted(READY, False, *why),
        Wanted(FAILED, True, *why),
        Wanted(PROGRESSING, False, *why),
    ]
    notice = Notice(
        "ReleaseFailed", f"v{release.spec.version}: {why.reason}: {why.message}", "Warning"
    )
    return Verdict(status=status_patch(release, failed, now), notices=(notice,)), 0.0


def _deployed(facts: ReleaseFacts, now: datetime) -> Verdict:
    release = facts.chosen
    message = ""
    if facts.refused:
        message = (
            f"variables that Kubernetes does not take are left out: {enumerated(facts.refused)}"
        )
    runs = release.spec.build is not None
    wanted = [
        Wanted(CURRENT, True, "Running" if runs else "NoBuild", ""),
        Wanted(READY, True, DEPLOYED if runs else "NoBuild", message),
        Wanted(PROGRESSING, False, "Complete", ""),
    ]
    notices: tuple[Notice, ...] = ()
    if runs:
        wanted.append(Wanted(DEPLOYED, True, "Available", ""))
        if not holds(release, READY):
            notices = (Notice("ReleaseDeployed", f"v{release.spec.version} runs"),)
    if holds(release, FAILED):
        wanted.append(Wanted(FAILED, False, "Recovered", ""))
    return Verdict(status=status_patch(release, wanted, now), notices=notices)


def _judge_other(facts: ReleaseFacts, release: Release, now: datetime) -> Verdict:
    failed = next((one for one in release.status.conditions if one.type == FAILED), None)
    why = Trouble(_SUPERSEDED, "")
    if failed is not None and failed.status == "True":
        why = Trouble(failed.reason, failed.message)
    wanted = [Wanted(CURRENT, False, why.reason, ""), Wanted(READY, False, *why)]
    if holds(release, PROGRESSING):
        wanted.append(Wanted(PROGRESSING, False, _SUPERSEDED, ""))
    if release.spec.version in facts.standing:
        wanted.append(Wanted(DEPLOYED, True, "Available", ""))
    return Verdict(status=status_patch(release, wanted, now))


def _told(
    release: Release, wanted: Sequence[Wanted], shown: Trouble | None, now: datetime
) -> Verdict:
    before = next((one.reason for one in release.status.conditions if one.type == READY), "")
    notices: tuple[Notice, ...] = ()
    if shown is not None and shown.reason != before:
        text = f"v{release.spec.version}: {shown.message}"
        notices = (Notice(shown.reason, text, "Warning"),)
    elif shown is None and not before:
        notices = (Notice("ReleaseDeploying", f"v{release.spec.version}: {release.spec.summary}"),)
    return Verdict(status=status_patch(release, wanted, now), notices=notices)


def _of_application(facts: ReleaseFacts) -> list[Wanted]:
    chosen, newest = facts.chosen, facts.newest
    if chosen.metadata.name != newest.metadata.name:
        failed = next((one for one in newest.status.conditions if one.type == FAILED), None)
        why = f"{failed.reason}: {failed.message}" if failed is not None else ""
        state = "runs again" if facts.complete else "is being deployed again"
        message = f"v{newest.spec.version} failed ({why}); v{chosen.spec.version} {state}"
        return [
            Wanted(WORKLOAD_READY, False, "ReturnedToLastGood", message),
            Wanted(PROGRESSING, not facts.complete, "ReturnedToLastGood", message),
        ]
    if chosen.spec.build is None and facts.found is None:
        nothing = "its release has no build"
        return [
            Wanted(WORKLOAD_READY, False, "NoBuild", nothing),
            Wanted(PROGRESSING, False, "NoBuild", nothing),
        ]
    if facts.complete:
        return [
            Wanted(WORKLOAD_READY, True, DEPLOYED, f"v{chosen.spec.version} runs"),
            Wanted(PROGRESSING, False, "Complete", ""),
        ]
    problem = facts.trouble
    if problem is None or problem.reason == NOT_READY:
        problem = Trouble(_DEPLOYING, f"v{chosen.spec.version} is being deployed")
    going_on = not holds(chosen, FAILED) and not holds(chosen, DEPLOYED)
    return [
        Wanted(WORKLOAD_READY, False, *problem),
        Wanted(PROGRESSING, going_on, *problem),
    ]


def _workload_patch(
    application: Application, wanted: Sequence[Wanted], now: datetime, fields: dict[str, Any]
) -> dict[str, Any] | None:
    """Return the merge patch of what is told of the workload.

    Not observedGeneration: that says that the controller of Applications was here.
    """
    current = msgspec.to_builtins(application.status)
    changed = {name: value for name, value in fields.items() if current.get(name) != value}
    conditions = condition_list(application, wanted, now)
    if conditions is not None:
        changed["conditions"] = conditions
    return {"status": changed} if changed else None


def _last_good(newest: Release, releases: Iterable[Release]) -> Release | None:
    good = (
        release
        for release in releases
        if release.spec.version < newest.spec.version
        and release.spec.build is not None
        and holds(release, DEPLOYED)
        and not holds(release, FAILED)
    )
    return max(good, key=lambda release: release.spec.version, default=None)


def _since(conditions: Iterable[Condition], type_: str) -> datetime | None:
    found = next((one for one in conditions if one.type == type_), None)
    return None if found is None else parse(found.last_transition_time)
