"""What rollouts bring to devices, and when."""

from typing import Any

import msgspec
import pytest

from polyfleet.fleet.objects.device import Device, Update
from polyfleet.fleet.objects.group import DeviceGroup, LabelSelector, SelectorRequirement
from polyfleet.fleet.objects.metadata import ManagedFields
from polyfleet.fleet.objects.package import Package
from polyfleet.fleet.objects.rollout import (
    OpenedStep,
    Pause,
    Rollout,
    RolloutStep,
    RolloutTargets,
)
from polyfleet.fleet.resolve.catalogue import Catalogue
from polyfleet.fleet.resolve.decision import Decision
from polyfleet.fleet.resolve.facts import facts_of
from polyfleet.fleet.resolve.resolver import resolve
from polyfleet.fleet.resolve.trace import Trace
from polyfleet.fleet.rollout.plan import position
from tests.fleet import make

LONG_AGO = "2026-01-01T00:00:00Z"
OPENED = "2026-02-01T00:00:00.000000Z"
BEFORE = "2026-01-31T23:59:57Z"
TOO_LATE = "2026-01-31T23:59:58Z"
HALF = (RolloutStep(limit="50%", pause=Pause()),)


def opened(*frontiers: float) -> tuple[OpenedStep, ...]:
    return tuple(OpenedStep(frontier=frontier, opened_at=OPENED) for frontier in frontiers)


def device(device_id: str = "d1", *, changed: str = LONG_AGO, **fields: Any) -> Device:
    version = fields.pop("version", "1.0.0")
    fields.setdefault("declared", [make.attribute("rdfm.hardware.devtype", "foo")])
    made = make.device(device_id, version=version, **fields)
    written = (ManagedFields(time="2099-01-01T00:00:00Z", subresource="status"),)
    meta = msgspec.structs.replace(
        made.metadata, managed_fields=(*written, ManagedFields(time=changed))
    )
    return msgspec.structs.replace(made, metadata=meta)


def failing(device: Device, *, package: str = "p2", at: str) -> Device:
    update = Update(package=package, state="Failed", message="no power", at=at)
    return msgspec.structs.replace(
        device, status=msgspec.structs.replace(device.status, update=update)
    )


def ask(
    asks: Device,
    *rollouts: Rollout,
    packages: tuple[Package, ...] = (),
    groups: tuple[DeviceGroup, ...] = (),
    trace: Trace | None = None,
) -> Decision:
    offered = (make.package("p2", "2.0.0"), *packages)
    catalogue = Catalogue.build([make.application()], groups, offered, rollouts)
    facts = facts_of(asks, catalogue.groups_of(asks), "artifact")
    return resolve(facts, catalogue, make.NOW, trace)


def place(rollout: Rollout, device_id: str = "d1") -> float:
    return position(rollout.status.seed or "", "default", device_id)


def told(trace: Trace) -> list[tuple[str, str]]:
    return [(step.verdict, step.message) for step in trace if step.check == "rollout"]


def half(frontier: float, **fields: Any) -> Rollout:
    return make.rollout(steps=HALF, opened=opened(frontier), **fields)


def test_a_device_gets_the_package_once_the_frontier_has_come_to_its_position() -> None:
    where = place(half(0))
    below = ask(device(), half(where - 1e-9))
    at = ask(device(), half(where))

    assert (below.package, below.reason) == (None, "Waiting")
    assert at.package is not None
    assert (at.reason, at.rollout, at.target_version) == ("Rollout", "ring", "2.0.0")


def test_the_trace_tells_position_frontier_and_what_the_next_step_waits_for() -> None:
    trace = Trace()
    rollout = half(0.0)

    ask(device(), rollout, trace=trace)

    ((verdict, message),) = told(trace)
    assert verdict == "failed"
    assert message == (
        f"rollout 'ring' of p2 (2.0.0): position {place(rollout):.4f}, frontier 0.0000, "
        "step 2 waits for promotion"
    )
    (step,) = [step for step in trace if step.check == "rollout"]
    assert step.facts["position"] == place(rollout)
    assert step.facts["step"] == 1


@pytest.mark.parametrize(
    "edited",
    [
        {"package": "p3"},
        {"steps": ()},
        {
            "targets": RolloutTargets(
                selector=LabelSelector(
                    match_labels={},
                    match_expressions=(SelectorRequirement(key="x", operator="DoesNotExist"),),
                )
            )
        },
    ],
)
def test_an_edit_gives_nothing_until_there_is_a_new_plan(edited: dict[str, Any]) -> None:
    rollout = make.rollout(steps=HALF, opened=opened(1.0, 1.0))
    assert ask(device(), rollout).package is not None
    other = msgspec.structs.replace(rollout, spec=msgspec.structs.replace(rollout.spec, **edited))

    decision = ask(device(), other, packages=(make.package("p3", "3.0.0"),))

    assert (decision.package, decision.reason) == (None, "Waiting")


def test_paused_and_aborted_are_read_from_the_spec() -> None:
    everything = {"steps": HALF, "opened": opened(1.0, 1.0)}

    assert ask(device(), make.rollout(**everything)).package is not None
    assert ask(device(), make.rollout(paused=True, **everything)).reason == "Waiting"
    assert ask(device(), make.rollout(aborted=True, **everything)).reason == "NoGroup"


def test_who_came_after_a_step_opened_waits_for_the_last_one() -> None:
    late, early = device(changed=TOO_LATE), device(changed=BEFORE)
    trace = Trace()

    assert ask(early, half(1.0)).package is not None
    assert ask(late, half(1.0), trace=trace).package is None
    assert "the last step is for it" in told(trace)[0][1]
    assert ask(late, half(1.0, target_selection="Continuous")).package is not None
    assert ask(late, make.rollout(steps=HALF, opened=opened(0.0, 1.0))).package is not None


def test_a_member_is_dated_by_its_label_if_other_labels_changed_since() -> None:
    group = make.group()
    targets = RolloutTargets(groups=("canary",))
    member = device(changed=TOO_LATE, groups=(group,))

    assert ask(member, half(1.0, targets=targets), groups=(group,)).package is not None
    outside = ask(device(), half(1.0, targets=targets), groups=(group,))
    assert outside.reason == "NoOffer"


def test_who_is_selected_by_a_group_is_dated_by_both() -> None:
    selector = LabelSelector(match_labels={"ring": "a"})
    targets = RolloutTargets(groups=("canary",))

    def gets(group_changed: str, device_changed: str) -> bool:
        group = make.group(selector=selector, managed_fields=(ManagedFields(time=group_changed),))
        asks = device(changed=device_changed, labels={"ring": "a"})
        return ask(asks, half(1.0, targets=targets), groups=(group,)).package is not None

    assert gets(BEFORE, BEFORE)
    assert not gets(TOO_LATE, BEFORE)
    assert not gets(BEFORE, TOO_LATE)


def test_absence_of_a_label_cannot_be_dated() -> None:
    absent = SelectorRequirement(key="ring", operator="NotIn", values=("b",))
    targets = RolloutTargets(selector=LabelSelector(match_expressions=(absent,)))

    assert ask(device(), half(1.0, targets=targets)).package is None
    assert ask(device(), half(1.0, targets=targets, target_selection="Continuous")).package


def test_a_step_reaches_only_whom_it_selects() -> None:
    ring = LabelSelector(match_labels={"ring": "a"})
    rollout = make.rollout(steps=(RolloutStep(selector=ring, pause=Pause()),), opened=opened(1.0))

    assert ask(device(labels={"ring": "a"}), rollout).package is not None
    assert ask(device(labels={"ring": "b"}), rollout).reason == "Waiting"
    assert ask(device(), rollout).reason == "Waiting"


def test_a_step_that_only_waits_reaches_nobody() -> None:
    steps = (RolloutStep(pause=Pause()), RolloutStep(limit=1, pause=Pause()))
    rollout = make.rollout(steps=steps, opened=opened(1.0))

    assert ask(device(), rollout).reason == "Waiting"


def test_a_device_that_failed_is_not_offered_it_again_until_it_is_retried() -> None:
    everything = make.rollout(opened=opened(1.0))
    after = failing(device(), at="2026-02-02T00:00:00.000000Z")
    before = failing(device(), at="2026-01-02T00:00:00.000000Z")
    other = failing(device(), package="p1", at="2026-02-02T00:00:00.000000Z")
    trace = Trace()

    assert ask(after, everything, trace=trace).reason == "FailedBefore"
    assert "no power" in told(trace)[0][1]
    assert ask(before, everything).package is not None
    assert ask(other, everything).package is not None
    retried = make.rollout(opened=opened(1.0), retry_failed_before="2026-02-03T00:00:00+00:00")
    assert ask(after, retried).package is not None


def test_the_upgrade_graph_type_and_downgrades_are_honoured() -> None:
    everything = make.rollout(package="p3", opened=opened(1.0))

    def gets(asks: Device, **fields: Any) -> bool:
        package = make.package("p3", "3.0.0", **fields)
        return ask(asks, everything, packages=(package,)).package is not None

    assert gets(device())
    assert not gets(device(), device_type="bar")
    assert not gets(device(), upgradable_from=("2.0.0",))
    assert not gets(device(), requires={"rootfs": "A"})
    assert not gets(device(version="3.0.1"))
    assert not gets(device(version="3.0.0"))
    assert not gets(device(), artifact=None, specification="{}")


def test_a_policy_that_names_a_version_comes_before_a_rollout() -> None:
    group = make.group(policy="exact_match,1.5.0", packages=("p1",))
    trace = Trace()

    decision = ask(
        device(groups=(group,)),
        make.rollout(opened=opened(1.0)),
        packages=(make.package("p1", "1.5.0"),),
        groups=(group,),
        trace=trace,
    )

    assert (decision.reason, decision.rollout) == ("PolicyVersion", None)
    assert told(trace) == [
        ("lost", "rollout 'ring' of p2 (2.0.0): comes after what decided (PolicyVersion)")
    ]


def test_of_rollouts_and_offers_the_highest_version_wins_then_the_newest() -> None:
    offer = make.package("p3", "3.0.0", offer=make.GENERAL)
    rollout = make.rollout(opened=opened(1.0))
    newer = make.rollout(
        "newer", metadata={"creation_timestamp": "2026-01-01T00:00:00Z"}, opened=opened(1.0)
    )
    trace = Trace()

    assert ask(device(), rollout, packages=(offer,), trace=trace).reason == "Offered"
    assert [verdict for verdict, _ in told(trace)] == ["lost"]
    assert ask(device(), rollout, newer).rollout == "newer"
    assert ask(device(), newer, rollout).rollout == "newer"


def test_a_lower_version_is_offered_while_a_rollout_has_not_come() -> None:
    offer = make.package("p0", "1.5.0", offer=make.GENERAL)

    decision = ask(device(), half(0.0), packages=(offer,))

    assert decision.package is not None
    assert decision.package.metadata.name == "p0"


def test_a_rollout_of_another_application_reaches_nobody_here() -> None:
    assert ask(device(), make.rollout(application="other", opened=opened(1.0))).reason == "NoGroup"


def test_a_trace_changes_no_answer() -> None:
    for rollout in (half(0.0), half(1.0), make.rollout(planned=False), half(1.0, paused=True)):
        assert ask(device(), rollout, trace=Trace()) == ask(device(), rollout)
