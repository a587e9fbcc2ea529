"""The words for offers and rollouts: written only when somebody asks for the trace."""

from datetime import datetime
from typing import Any

from polyfleet.fleet.instants import timestamp
from polyfleet.fleet.resolve.catalogue import Catalogue
from polyfleet.fleet.resolve.decision import Decision
from polyfleet.fleet.resolve.facts import DeviceFacts
from polyfleet.fleet.resolve.offers import (
    Asker,
    Candidate,
    Offers,
    Suited,
    asker_of,
    obstacle,
    out_of_reach,
    standing,
    suited_to,
)
from polyfleet.fleet.resolve.trace import Trace
from polyfleet.fleet.rollout.plan import position
from polyfleet.fleet.rollout.progress import next_wait
from polyfleet.fleet.rollout.reach import LiveRollout

_SHOWN = 20


def offers(
    offered: Offers, facts: DeviceFacts, now: datetime, decision: Decision, *, trace: Trace
) -> None:
    """Say how each offer and each rollout did, the preferred first; of the losers, the nearest."""
    asker = asker_of(facts, offered)
    taken, after = False, 0
    for candidate in offered.candidates:
        after += taken
        if after > _SHOWN:
            break
        _out_of_reach(candidate, asker, offered, trace)
        found = suited_to(offered, candidate, asker)
        why = obstacle(offered, candidate, asker) if found else None
        for suited in found:
            check, title, data = _about(suited, facts)
            if why is not None:
                trace.add(check, "failed", f"{title}: {why}", **data)
            elif taken:
                trace.add(check, "lost", f"{title}: comes after the chosen one", **data)
            elif suited.decision == decision:
                taken = True
                trace.add(check, "chosen", f"{title}: {_how(suited, facts, now)}", **data)
            elif standing(suited, facts, now) == "Failed":
                trace.add(check, "failed", f"{title}: {_failure(facts)}", **data)
            else:
                trace.add(check, "failed", f"{title}: {_how(suited, facts, now)}", **data)


def outranked(facts: DeviceFacts, catalogue: Catalogue, decision: Decision, trace: Trace) -> None:
    """Name what would be for the device if what decided had not come first."""
    offered = catalogue.offers(facts.application)
    if not offered.candidates:
        return
    asker = asker_of(facts, offered)
    for candidate in offered.candidates[:_SHOWN]:
        if obstacle(offered, candidate, asker) is not None:
            continue
        for suited in suited_to(offered, candidate, asker):
            check, title, data = _about(suited, facts)
            message = f"{title}: comes after what decided ({decision.reason})"
            trace.add(check, "lost", message, **data)


def _out_of_reach(candidate: Candidate, asker: Asker, offered: Offers, trace: Trace) -> None:
    found = {suited.rollout for suited in suited_to(offered, candidate, asker)}
    for rollout in candidate.rollouts:
        if rollout not in found:
            title = f"{_rollout(rollout)} of {_title(candidate)}"
            data = {**_data(candidate), "rollout": rollout.name}
            trace.add("rollout", "failed", f"{title}: the device is none of its targets", **data)
    why = out_of_reach(candidate, asker) if candidate.is_offered else None
    if why is not None:
        data = {**_data(candidate), "strategy": candidate.strategy}
        trace.add("offer", "failed", f"{_title(candidate)}: {why}", **data)


def _about(suited: Suited, facts: DeviceFacts) -> tuple[str, str, dict[str, Any]]:
    """Return the check, the title and the data of one way that a package comes."""
    candidate, rollout = suited.candidate, suited.rollout
    data = _data(candidate)
    if rollout is None:
        data["strategy"] = candidate.strategy
        if suited.since is not None:
            data["since"] = timestamp(suited.since)
        return "offer", _title(candidate), data
    data |= {"rollout": rollout.name, "state": rollout.state, "steps": rollout.count}
    if rollout.state == "Open":
        data |= {
            "step": len(rollout.rollout.status.steps),
            "position": position(rollout.seed, facts.application, facts.device_id),
            "frontier": _frontier(suited),
        }
    return "rollout", f"{_rollout(rollout)} of {_title(candidate)}", data


def _how(suited: Suited, facts: DeviceFacts, now: datetime) -> str:
    """Say how far an offer or a rollout is, seen from the device."""
    rollout = suited.rollout
    if rollout is None:
        if suited.since is not None:
            word = "since" if suited.since <= now else "not before"
            return f"{word} {timestamp(suited.since)}"
        everybody = any(way.group is None for way in suited.candidate.ways)
        return f"offered to {'all devices' if everybody else 'its groups'}"
    if rollout.state == "Paused":
        return "paused"
    if rollout.state != "Open":
        return "not planned yet: its plan is not that of its spec"
    place = position(rollout.seed, facts.application, facts.device_id)
    frontier = _frontier(suited)
    wait = next_wait(rollout.rollout)
    parts = [f"position {place:.4f}", f"frontier {frontier:.4f}"]
    if not suited.steps:
        parts.append("no open step selects the device")
    elif place <= frontier and standing(suited, facts, now) == "Waiting":
        parts.append("the device became a target after the step opened: the last step is for it")
    parts.append(str(wait) if wait is not None else "the last step is open")
    return ", ".join(parts)


def _frontier(suited: Suited) -> float:
    return max((step.frontier for step in suited.steps), default=0.0)


def _failure(facts: DeviceFacts) -> str:
    update = facts.update
    why = f": {update.message}" if update is not None and update.message else ""
    return f"the device could not install it{why}; it is not offered again until it is retried"


def _rollout(rollout: LiveRollout) -> str:
    return f"rollout {rollout.name!r}"


def _title(candidate: Candidate) -> str:
    return f"{candidate.node.name} ({candidate.node.version})"


def _data(candidate: Candidate) -> dict[str, Any]:
    return {"package": candidate.node.name, "packageVersion": candidate.node.version}
