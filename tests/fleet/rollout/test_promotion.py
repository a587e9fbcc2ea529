"""A person's promotion: what it opens, what it does not, and what is kept of it."""

from datetime import timedelta

import msgspec
import pytest

from polyfleet.fleet.instants import timestamp
from polyfleet.fleet.objects.rollout import OpenedStep, Pause, Rollout, RolloutStep
from polyfleet.fleet.rollout.plan import plan_digest, promotion
from polyfleet.fleet.rollout.progress import counted_promotion, is_over, is_too_far, next_wait
from tests.fleet import make

WAITS, HOURS = RolloutStep(limit=1, pause=Pause()), Pause(duration_seconds=86_400)
STEPS = (WAITS, RolloutStep(limit=2, pause=HOURS), WAITS, RolloutStep(pause=Pause()))
OPENED = OpenedStep(population=4, frontier=0.1, opened_at=timestamp(make.NOW))
DIGEST = plan_digest(make.rollout(steps=STEPS).spec)


def rollout(
    opened: int, promoted: int | None, *, counted: int | None = None, seen: int = 1
) -> Rollout:
    """Make a rollout of five steps; the numbers are those of promotions of its plan."""
    spec = {"promoted": None if promoted is None else promotion(DIGEST, promoted)}
    made = make.rollout(steps=STEPS, opened=(OPENED,) * opened, **spec)
    known = "" if counted is None else promotion(DIGEST, counted)
    status = msgspec.structs.replace(made.status, promoted=known, observed_generation=seen)
    return msgspec.structs.replace(made, status=status)


def opens(found: Rollout) -> bool:
    wait = next_wait(found)
    assert wait is not None
    return is_over(wait, found, DIGEST, make.NOW, settled=False)


@pytest.mark.parametrize(
    ("opened", "promoted", "gets_on"),
    [
        (1, None, False),
        (1, 1, True),
        (1, 2, False),
        (1, 9, False),
        (2, 1, False),
        (2, 2, True),
        (2, 4, False),
        (4, 4, True),
        (4, 99, False),
    ],
)
def test_a_promotion_ends_the_wait_that_it_names_and_no_later_one(
    opened: int, promoted: int | None, gets_on: bool
) -> None:
    assert opens(rollout(opened, promoted)) is gets_on


def test_what_is_written_just_before_its_step_waits_counts_once_it_does() -> None:
    early = rollout(2, 3)
    assert not opens(early)
    wait = next_wait(early)
    assert wait is not None
    assert is_too_far(wait, early, DIGEST)
    assert is_over(wait, early, DIGEST, make.NOW + timedelta(days=1), settled=False)
    assert opens(rollout(3, 3))


def test_what_has_counted_opens_the_same_plan_again_as_far_as_before() -> None:
    assert opens(rollout(1, 3, counted=3))
    assert opens(rollout(3, 3, counted=3))
    assert not opens(rollout(4, 3, counted=3))
    assert not opens(rollout(1, 4, counted=3))
    assert opens(rollout(1, 1, counted=3))


@pytest.mark.parametrize(
    ("found", "number"),
    [
        (rollout(1, 1), 1),
        (rollout(1, 2), None),
        (rollout(1, 2, counted=1), 1),
        (rollout(3, 1, counted=2), 2),
        (rollout(3, 2, counted=1), 2),
        (rollout(3, None, counted=2), 2),
    ],
)
def test_the_furthest_promotion_that_counted_is_kept(found: Rollout, number: int | None) -> None:
    expected = "" if number is None else promotion(DIGEST, number)
    assert counted_promotion(found, DIGEST, next_wait(found)) == expected


def test_a_promotion_of_another_plan_does_not_take_the_place_of_one_that_counted() -> None:
    found = rollout(1, None, counted=2)
    spec = msgspec.structs.replace(found.spec, promoted="00000000/1")
    found = msgspec.structs.replace(found, spec=spec)
    assert counted_promotion(found, DIGEST, next_wait(found)) == promotion(DIGEST, 2)


@pytest.mark.parametrize(("promoted", "counts"), [(1, True), (4, True), (5, False), (99, False)])
def test_a_lost_status_is_taken_back_from_the_spec_as_far_as_the_plan_goes(
    promoted: int, counts: bool
) -> None:
    lost = rollout(0, promoted, seen=0)
    expected = promotion(DIGEST, promoted) if counts else ""
    assert counted_promotion(lost, DIGEST, None) == expected
