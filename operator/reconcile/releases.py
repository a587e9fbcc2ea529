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

from polyfleet.fleet.conditions import condition, holds
from polyfleet.fleet.instants import parse
from polyfleet.fleet.objects.application import Application
from polyfleet.fleet.objects.release import Release
from polyfleet.fleet.releases import DEPLOYED, FAILED
from polyfleet.operator.reconcile.conditions import (
    Wanted,
    condition_list,
    enumerated,
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
    replaced before anything was said of them, and whose instances are all available, `unmade` why
    what is wanted since the newest cannot become a release.
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
    unmade: Trouble | None = None

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
    def proven(self) -> bool:
        """Whether the release is complete, and it is one of which anything is to run."""
        return self.complete and any(process.replicas for process in self.processes)

    @property
    def left_out(self) -> list[str]:
        """Which process types are wanted that the build does not have."""
        workload = self.application.spec.workload
        wanted = workload.processes if workload is not None and workload.processes else ()
        there = {process.type for process in self.processes}
        return [one.type for one in wanted if one.replicas and one.type not in there]

    @property
    def trouble(self) -> Trouble | None:
        """What keeps the release from being available."""
        return self.found or trouble(self.processes, self.label)

    @property
    def obstacle(self) -> Trouble | None:
        """What keeps the release from being available, if it needs more than time."""
        found = self.trouble
        return None if found is None or found.reason == NOT_READY else found

    @property
    def shortfall(self) -> Trouble:
        """Why the release is not wholly available, as people are told it."""
        obstacle, label = self.obstacle, self.label
        if obstacle is not None:
            return obstacle
        failure = _failure(self.chosen)
        if failure is not None:
            return failure
        if holds(self.chosen, DEPLOYED):
            return Trouble("Incomplete", f"not all instances of {label} are available")
        return Trouble(_DEPLOYING, f"{label} is being deployed")


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
    wanted = _of_application(facts)
    if facts.unmade is not None:
        wanted.append(Wanted(WORKLOAD_READY, False, *facts.unmade))
    return Verdict(status=_workload_patch(facts.application, wanted, now, fields))


def refuse(application: Application, found: Trouble, now: datetime) -> Verdict:
    """Return what the Application's status should say if no Release can be made of it."""
    wanted = [Wanted(WORKLOAD_READY, False, *found), Wanted(PROGRESSING, False, *found)]
    return Verdict(status=_workload_patch(application, wanted, now, {}))


def _judge_chosen(facts: ReleaseFacts, now: datetime) -> tuple[Verdict, float]:
    release, shown, why = facts.chosen, facts.obstacle, facts.shortfall
    if facts.complete:
        return _deployed(facts, now), _NEVER
    wanted = [Wanted(CURRENT, True, "Running", ""), Wanted(READY, False, *why)]
    if holds(release, DEPLOYED) or holds(release, FAILED):
        # It was good once, or there is none to return to: it is kept, and may recover.
        return _told(release, wanted, shown, now), _NEVER
    begun = condition(release, PROGRESSING)
    going_on = begun is not None and begun.status == "True"
    started = parse(begun.last_transition_time) if begun is not None and going_on else now
    pulling = facts.pulling if is_pulling(facts.processes, facts.label) else timedelta()
    left = (started + facts.deadline + pulling - now).total_seconds()
    if left > 0 and not is_hopeless(shown):
        wanted.append(Wanted(PROGRESSING, True, _DEPLOYING, ""))
        return _told(release, wanted, shown, now), left
    if shown is None:
        late = f"it was not available within {int(facts.deadline.total_seconds())} s"
        unready = "" if facts.trouble is None else f"; {facts.trouble.message}"
        why = Trouble("ProgressDeadlineExceeded", f"{late}{unready}")
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
    # While it is scaled to nothing, nothing is known of it: it is judged once it is to run.
    if runs and facts.proven:
        wanted.append(Wanted(DEPLOYED, True, "Available", ""))
        if not holds(release, READY):
            notices = (Notice("ReleaseDeployed", f"v{release.spec.version} runs"),)
        if holds(release, FAILED):
            wanted.append(Wanted(FAILED, False, "Recovered", ""))
    return Verdict(status=status_patch(release, wanted, now), notices=notices)


def _judge_other(facts: ReleaseFacts, release: Release, now: datetime) -> Verdict:
    why = _failure(release) or Trouble(_SUPERSEDED, "")
    wanted = [Wanted(CURRENT, False, why.reason, ""), Wanted(READY, False, *why)]
    if holds(release, PROGRESSING):
        wanted.append(Wanted(PROGRESSING, False, _SUPERSEDED, ""))
    if release.spec.version in facts.standing:
        wanted.append(Wanted(DEPLOYED, True, "Available", ""))
    return Verdict(status=status_patch(release, wanted, now))


def _told(
    release: Release, wanted: Sequence[Wanted], shown: Trouble | None, now: datetime
) -> Verdict:
    ready = condition(release, READY)
    before = "" if ready is None else ready.reason
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
        return _of_last_good(facts)
    if chosen.spec.build is None and facts.found is None:
        nothing = "its release has no build"
        return [
            Wanted(WORKLOAD_READY, False, "NoBuild", nothing),
            Wanted(PROGRESSING, False, "NoBuild", nothing),
        ]
    if facts.complete:
        message = f"{facts.label} runs" if facts.proven else f"nothing of {facts.label} is to run"
        if facts.left_out:
            message += f"; its build has no process {enumerated(facts.left_out)}"
        return [
            Wanted(WORKLOAD_READY, True, DEPLOYED, message),
            Wanted(PROGRESSING, False, "Complete", ""),
        ]
    problem = facts.shortfall
    going_on = not holds(chosen, FAILED) and not holds(chosen, DEPLOYED)
    return [
        Wanted(WORKLOAD_READY, False, *problem),
        Wanted(PROGRESSING, going_on, *problem),
    ]


def _of_last_good(facts: ReleaseFacts) -> list[Wanted]:
    failure, obstacle = _failure(facts.newest), facts.obstacle
    why = f"{failure.reason}: {failure.message}" if failure is not None else ""
    state = "is being deployed again"
    if facts.complete:
        state = "runs again" if facts.proven else "is the one to run, but nothing of it is"
    elif obstacle is not None:
        state = f"does not run either ({obstacle.reason}: {obstacle.message})"
    message = f"v{facts.newest.spec.version} failed ({why}); {facts.label} {state}"
    going_on = not facts.complete and obstacle is None
    return [
        Wanted(WORKLOAD_READY, False, "ReturnedToLastGood", message),
        Wanted(PROGRESSING, going_on, "ReturnedToLastGood", message),
    ]


def _failure(release: Release) -> Trouble | None:
    """Return why the release has failed; None if it has not."""
    failed = condition(release, FAILED)
    if failed is None or failed.status != "True":
        return None
    return Trouble(failed.reason, failed.message)


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
