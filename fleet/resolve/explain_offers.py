"""The words for offers that need no policy: written only when somebody asks for the trace."""

from typing import Any

from polyfleet.fleet.instants import timestamp
from polyfleet.fleet.resolve.catalogue import Catalogue
from polyfleet.fleet.resolve.decision import Decision
from polyfleet.fleet.resolve.facts import DeviceFacts
from polyfleet.fleet.resolve.offers import (
    Asker,
    Candidate,
    Choice,
    Offers,
    asker_of,
    obstacle,
    out_of_reach,
)
from polyfleet.fleet.resolve.trace import Trace

_SHOWN = 20


def offers(
    offered: Offers, asker: Asker, choice: Choice, decision: Decision, *, trace: Trace
) -> None:
    """Say how each offer did, the preferred first; of those beyond the winner, the nearest."""
    since = {suited.candidate.node.name: suited.since for suited in choice.suited}
    after_winner = 0
    taken = False
    for candidate in offered.candidates:
        title, data = _title(candidate), _data(candidate)
        why = out_of_reach(candidate, asker) or obstacle(offered, candidate, asker)
        start = since.get(candidate.node.name)
        if taken:
            after_winner += 1
        if after_winner > _SHOWN:
            break
        if why is not None:
            trace.add("offer", "failed", f"{title}: {why}", **data)
        elif candidate.node.package is decision.package:
            taken = True
            trace.add("offer", "chosen", f"{title}: offered to {_whom(candidate)}", **data)
        elif taken:
            trace.add("offer", "lost", f"{title}: comes after the chosen one", **data)
        elif start is not None:
            moment = timestamp(start)
            trace.add("offer", "failed", f"{title}: not before {moment}", **data, since=moment)


def outranked(facts: DeviceFacts, catalogue: Catalogue, decision: Decision, trace: Trace) -> None:
    """Name the offers that would reach the device if what decided had not come first."""
    offered = catalogue.offers(facts.application)
    if not offered.candidates:
        return
    asker = asker_of(facts, offered)
    for candidate in offered.candidates[:_SHOWN]:
        if out_of_reach(candidate, asker) is None and obstacle(offered, candidate, asker) is None:
            message = f"{_title(candidate)}: comes after what decided ({decision.reason})"
            trace.add("offer", "lost", message, **_data(candidate))


def _whom(candidate: Candidate) -> str:
    return "all devices" if any(way.group is None for way in candidate.ways) else "its groups"


def _title(candidate: Candidate) -> str:
    return f"{candidate.node.name} ({candidate.node.version})"


def _data(candidate: Candidate) -> dict[str, Any]:
    return {
        "package": candidate.node.name,
        "packageVersion": candidate.node.version,
        "strategy": candidate.strategy,
    }
