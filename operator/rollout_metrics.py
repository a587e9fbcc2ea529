"""How far the rollouts are, for Prometheus."""

from collections import Counter
from collections.abc import Callable, Iterable

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from polyfleet.fleet.objects.rollout import Rollout

MOST = 50
"""Rollouts that are told of one by one: the newest of those under way."""

_PROGRESSING = "Progressing"


class RolloutMetrics(Collector):
    """Rollouts by state, and the devices of those under way by how far they are.

    Every replica tells what it knows, the active one and those that stand by: take the maximum.
    """

    def __init__(self, rollouts: Callable[[], Iterable[Rollout]]) -> None:
        self._rollouts = rollouts

    def collect(self) -> Iterable[Metric]:
        """Yield the present figures."""
        rollouts = [item for item in self._rollouts() if not item.metadata.terminating]
        states = GaugeMetricFamily("polyfleet_rollouts", "Rollouts, by state.", labels=("state",))
        for state, number in sorted(Counter(map(state_of, rollouts)).items()):
            states.add_metric((state,), number)
        yield states
        devices = GaugeMetricFamily(
            "polyfleet_rollout_devices",
            f"Devices of the newest {MOST} rollouts that are not over, by how far they are.",
            labels=("application", "rollout", "progress"),
        )
        for rollout in newest_under_way(rollouts):
            counts = rollout.status.counts
            for progress in ("total", "offered", "updated", "failed"):
                labels = (rollout.spec.application, rollout.metadata.name, progress)
                devices.add_metric(labels, getattr(counts, progress))
        yield devices


def state_of(rollout: Rollout) -> str:
    """Return what a rollout is doing: the reason of its condition, or what its spec says."""
    if rollout.spec.aborted:
        return "Aborted"
    if rollout.spec.paused:
        return "Paused"
    for condition in rollout.status.conditions:
        if condition.type == _PROGRESSING:
            return condition.reason or "Unknown"
    return "Pending"


def newest_under_way(rollouts: Iterable[Rollout]) -> list[Rollout]:
    """Return those that can still move, the newest first, at most MOST."""
    moving = [item for item in rollouts if not item.spec.aborted and not _complete(item)]
    moving.sort(key=lambda item: (item.metadata.creation_timestamp, item.metadata.name))
    return moving[::-1][:MOST]


def _complete(rollout: Rollout) -> bool:
    counts = rollout.status.counts
    return counts.total > 0 and counts.updated >= counts.total
