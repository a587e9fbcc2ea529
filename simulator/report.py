"""What came of a simulation, as tables for people and as JSON for programs."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from rich.console import Group
from rich.table import Column, Table
from rich.text import Text

from polyfleet.simulator.faults import Fault
from polyfleet.simulator.simulation import Outcome
from polyfleet.simulator.tally import Durations

_REFUSALS = 400
_NAMED = 5


def document(outcome: Outcome) -> dict[str, Any]:
    """Return the outcome for programs; times are in seconds."""
    plan, tally = outcome.plan, outcome.tally
    return {
        "seed": plan.seed,
        "seconds": round(outcome.seconds, 3),
        "converged": outcome.converged,
        "behind": [machine.identifier for machine in outcome.behind()],
        "devices": len(outcome.machines),
        "entered": sum(machine.entered for machine in outcome.machines),
        "versions": dict(outcome.versions()),
        "faults": dict(_faults(outcome)),
        "updates": _updates(outcome),
        "events": dict(tally.events),
        "commands": {"delivered": len(tally.deliveries), **_quantiles(tally.deliveries)},
        "requests": {
            route: {
                "statuses": {str(status): n for status, n in sorted(found.statuses.items())},
                "lost": found.lost,
                **_quantiles(found.durations),
            }
            for route, found in sorted(tally.routes.items())
        },
    }


def tables(outcome: Outcome, printable: Callable[[str], str] = str) -> Group:
    """Return the outcome for people; `printable` is what a server's texts are shown as."""
    told = document(outcome)
    versions = Table("VERSION", "DEVICES", box=None)
    for version, count in sorted(told["versions"].items()):
        versions.add_row(printable(version), f"{count:,}")
    counts = Table("UPDATES", "", "FAULT", "DEVICES", box=None)
    updates, faults = list(told["updates"].items()), list(told["faults"].items())
    for index in range(max(len(updates), len(faults))):
        left = updates[index] if index < len(updates) else ("", "")
        right = faults[index] if index < len(faults) else ("", "")
        counts.add_row(left[0], str(left[1]), right[0], str(right[1]))
    route_column = Column("REQUESTS", overflow="fold", min_width=48)
    requests = Table(route_column, "ANSWERS", "REFUSED", "LOST", "P50", "P99", box=None)
    for route, found in told["requests"].items():
        refused = {s: n for s, n in found["statuses"].items() if int(s) >= _REFUSALS}
        requests.add_row(
            route,
            f"{sum(found['statuses'].values()):,}",
            " ".join(f"{status}: {count:,}" for status, count in refused.items()),
            f"{found['lost'] or ''}",
            *(f"{found[name] * 1000:,.1f} ms" for name in ("p50", "p99")),
        )
    return Group(versions, "", counts, "", requests, *_notes(outcome), "", _verdict(outcome))


def _notes(outcome: Outcome) -> list[str]:
    notes = [f"{count:,} {event}" for event, count in sorted(outcome.tally.events.items())]
    deliveries = outcome.tally.deliveries
    if len(deliveries):
        p50, p99 = (1000 * share for share in _quantiles(deliveries).values())
        notes.append(
            f"{len(deliveries):,} commands delivered, {p50:,.1f} ms after they were sent (p50), "
            f"{p99:,.1f} ms (p99)"
        )
    return ["", *notes] if notes else []


def _verdict(outcome: Outcome) -> Text:
    behind, wanted = outcome.behind(), outcome.plan.until_version
    seconds = f"{outcome.seconds:.1f} s, seed {outcome.plan.seed}"
    if wanted is None:
        return Text(f"{len(outcome.machines):,} devices for {seconds}")
    hopeful = sum(machine.script.hopeful for machine in outcome.machines)
    if not behind:
        return Text(f"converged: {hopeful:,} devices run {wanted} ({seconds})", style="green")
    names = ", ".join(machine.identifier for machine in behind[:_NAMED])
    return Text(
        f"not converged: {len(behind):,} of {hopeful:,} devices do not run {wanted} or have not "
        f"said so: {names}{' …' if len(behind) > _NAMED else ''} ({seconds})",
        style="red",
    )


def _updates(outcome: Outcome) -> dict[str, int]:
    machines = outcome.machines
    return {
        "offered": sum(machine.offered for machine in machines),
        "installed": sum(machine.installed for machine in machines),
        "failed": sum(machine.failed for machine in machines),
        "cut short": sum(machine.died for machine in machines),
    }


def _faults(outcome: Outcome) -> Counter[Fault]:
    return Counter(fault for machine in outcome.machines for fault in machine.script.faults)


def _quantiles(durations: Durations) -> dict[str, float]:
    return {"p50": round(durations.quantile(0.5), 6), "p99": round(durations.quantile(0.99), 6)}
