"""Plans, positions and steps."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyfleet.fleet.objects.group import LabelSelector, SelectorRequirement
from polyfleet.fleet.objects.rollout import Pause, RolloutSpec, RolloutStep, RolloutTargets
from polyfleet.fleet.rollout.plan import plan_digest, position, promoted_step, promotion, seed_for
from polyfleet.fleet.rollout.steps import frontier, quota, steps_of

RING = LabelSelector(match_labels={"ring": "a"})
SPEC = RolloutSpec(
    application="default",
    package="p2",
    targets=RolloutTargets(groups=("g",)),
    steps=(RolloutStep(limit=1, pause=Pause()), RolloutStep(limit="10%")),
)


def changed(**fields: object) -> RolloutSpec:
    return msgspec.structs.replace(SPEC, **fields)


@pytest.mark.parametrize(
    "other",
    [
        changed(package="p3"),
        changed(targets=RolloutTargets(groups=("g", "h"))),
        changed(targets=RolloutTargets(selector=LabelSelector())),
        changed(targets=RolloutTargets(selector=RING)),
        changed(steps=()),
        changed(steps=SPEC.steps[:1]),
        changed(steps=(RolloutStep(limit=1), SPEC.steps[1])),
        changed(steps=(RolloutStep(limit=1, pause=Pause(duration_seconds=0)), SPEC.steps[1])),
        changed(steps=(RolloutStep(limit="1%", pause=Pause()), SPEC.steps[1])),
        changed(steps=(RolloutStep(limit=1, pause=Pause(), selector=RING), SPEC.steps[1])),
    ],
)
def test_an_edit_of_package_targets_or_steps_is_another_plan(other: RolloutSpec) -> None:
    assert plan_digest(other) != plan_digest(SPEC)


def test_what_a_plan_is_not_made_of_does_not_change_it() -> None:
    for other in (
        changed(paused=True),
        changed(aborted=True),
        changed(promoted="00000000/1"),
        changed(created_at="2026-01-01T00:00:00.000000Z"),
    ):
        assert plan_digest(other) == plan_digest(SPEC)


def test_a_digest_is_the_same_in_every_process() -> None:
    assert plan_digest(SPEC) == "1cdbf688d749c1a39e053ef3652eba73"
    assert seed_for("uid", "p2") == "65a6070f4d6c0472"
    assert position("seed", "default", "d1") == 0.852157152543965


def test_a_promotion_is_for_one_plan() -> None:
    digest = plan_digest(SPEC)
    promoted = promotion(digest, 2)
    assert promoted_step(promoted, digest) == 2
    assert promoted_step(promoted, plan_digest(changed(package="p3"))) == 0
    for wrong in (None, "", digest[:8], f"{digest[:8]}/", f"{digest[:8]}/x"):
        assert promoted_step(wrong, digest) == 0


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_positions_lie_between_0_and_1_and_depend_on_all_parts(a: str, b: str, c: str) -> None:
    assert 0 < position("seed", a, b) < 1
    assert position("seed", a, b) == position("seed", a, b)
    if (a, b) != (b, c):
        assert position("seed", a, b) != position("seed", b, c)
    assert position("seed", a, b) != position("other", a, b)


def test_positions_are_spread_evenly() -> None:
    places = sorted(position("seed", "default", f"device-{n}") for n in range(2000))
    assert max(abs(place - n / 2000) for n, place in enumerate(places)) < 0.05


@pytest.mark.parametrize(
    ("limit", "population", "reaches"),
    [
        (None, 7, 7),
        (3, 7, 3),
        (9, 7, 7),
        (0, 7, 0),
        ("10%", 7, 1),
        ("10%", 10, 1),
        ("10%", 11, 2),
        ("0%", 7, 0),
        ("100%", 7, 7),
        ("29%", 100, 29),
        ("10%", 0, 0),
    ],
)
def test_a_limit_is_a_count_or_a_percentage_rounded_up(
    limit: int | str | None, population: int, reaches: int
) -> None:
    assert quota(RolloutStep(limit=limit), population) == reaches


steps = st.builds(
    RolloutStep,
    limit=st.one_of(st.none(), st.integers(0, 12), st.integers(0, 100).map("{}%".format)),
    pause=st.sampled_from([None, Pause()]),
)
places = st.lists(st.integers(1, 20).map(lambda n: n / 21), max_size=15)


@given(steps, places)
def test_a_frontier_never_takes_in_more_than_the_limit(
    step: RolloutStep, positions: list[float]
) -> None:
    taken = sum(place <= frontier(step, positions) for place in positions)
    assert taken <= quota(step, len(positions))
    if len(set(positions)) == len(positions):
        assert taken == quota(step, len(positions))


@pytest.mark.parametrize(
    ("given_steps", "count"),
    [
        ((), 1),
        ((RolloutStep(limit=1),), 2),
        ((RolloutStep(limit="100%"),), 1),
        ((RolloutStep(limit=1), RolloutStep()), 2),
        ((RolloutStep(pause=Pause()),), 2),
        ((RolloutStep(selector=RING),), 2),
        ((RolloutStep(selector=LabelSelector()),), 1),
    ],
)
def test_the_last_step_always_reaches_everybody(
    given_steps: tuple[RolloutStep, ...], count: int
) -> None:
    found = steps_of(changed(steps=given_steps))
    assert len(found) == count
    assert frontier(found[-1], [0.5]) == 1.0


def test_expressions_are_part_of_the_plan() -> None:
    def among(*values: str) -> RolloutTargets:
        part = SelectorRequirement(key="ring", operator="In", values=values)
        return RolloutTargets(selector=LabelSelector(match_expressions=(part,)))

    assert plan_digest(changed(targets=among("a"))) != plan_digest(changed(targets=among("a", "b")))
