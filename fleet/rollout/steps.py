"""The steps of a rollout: how many devices each reaches, and how far that goes."""

from collections.abc import Sequence

from polyfleet.fleet.objects.rollout import RolloutSpec, RolloutStep

EVERYBODY = 1.0
"""The frontier of a step that reaches all that it selects, whoever comes later."""


def steps_of(spec: RolloutSpec) -> tuple[RolloutStep, ...]:
    """Return the steps in order; the last always reaches every target.

    It goes without saying: where the spec does not end with such a step, it is added.
    """
    if spec.steps and _reaches_all(spec.steps[-1]):
        return spec.steps
    return (*spec.steps, RolloutStep())


def only_waits(step: RolloutStep) -> bool:
    """Say whether a step is but a pause, which reaches nobody."""
    return step.pause is not None and step.selector is None and step.limit is None


def quota(step: RolloutStep, population: int) -> int:
    """Return how many of a population a step reaches; a percentage is rounded up."""
    if only_waits(step):
        return 0
    limit = step.limit
    if limit is None:
        return population
    if isinstance(limit, int):
        return min(limit, population)
    return -(-population * int(limit.removesuffix("%")) // 100)


def frontier(step: RolloutStep, positions: Sequence[float]) -> float:
    """Return up to which position devices are reached, given those of the population.

    It is the position of the last device within the limit, 0 if there is none.
    """
    if _is_unlimited(step):
        return EVERYBODY
    count = quota(step, len(positions))
    ordered = sorted(positions)
    # Two devices at one position are both in or both out, so that the limit holds.
    while 0 < count < len(ordered) and ordered[count] == ordered[count - 1]:
        count -= 1
    return ordered[count - 1] if count else 0.0


def _is_unlimited(step: RolloutStep) -> bool:
    return not only_waits(step) and step.limit in {None, "100%"}


def _reaches_all(step: RolloutStep) -> bool:
    selector = step.selector
    everyone = selector is None or not (selector.match_labels or selector.match_expressions)
    return everyone and _is_unlimited(step)
