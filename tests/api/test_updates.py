"""How far a device is with its update."""

from typing import Any

import pytest

from polyfleet.api.core.updates import Failure, OfferMade, update_change
from polyfleet.fleet.objects.device import Update

AT = "2026-11-22T00:00:00.000000Z"


def change(
    current: Update | None,
    offered: str | None = None,
    progress: int | None = None,
    *,
    runs: str | None = None,
    failed: Failure | None = None,
    offered_at: str = AT,
    by: str | None = None,
) -> dict[str, Any] | None:
    made = OfferMade(offered, offered_at, by, by and f"uid-{by}") if offered is not None else None
    return update_change(
        current,
        offered=made,
        progress=progress,
        failed=failed,
        at=AT,
        runs=lambda name: name == runs,
    )


def update(package: str = "p1", state: str = "Offered", progress: int = 0, **fields: Any) -> Update:
    return Update(
        package=package, state=state, progress=progress, **{"attempts": 1, "rollout": None} | fields
    )


@pytest.mark.parametrize("current", [None, update("p2"), update("p2", "InProgress", 50)])
def test_another_offer_begins_from_nothing(current: Update | None) -> None:
    assert change(current, "p1") == {
        "package": "p1",
        "rollout": None,
        "rolloutUid": None,
        "state": "Offered",
        "progress": 0,
        "attempts": 1,
        "at": AT,
    }


@pytest.mark.parametrize("current", [update(), update(state="InProgress", progress=40)])
def test_the_same_offer_again_changes_nothing(current: Update) -> None:
    assert change(current, "p1") is None


TAKEN_OVER = {"rollout": "b", "rolloutUid": "uid-b"}


@pytest.mark.parametrize(
    "current",
    [
        update(),
        update(state="InProgress", progress=40),
        update(rollout="a", rollout_uid="uid-a"),
        update(rollout="b", rollout_uid="uid-of-one-before-under-its-name"),
    ],
)
def test_the_same_offer_by_another_rollout_is_that_one_s_and_goes_on(current: Update) -> None:
    assert change(current, "p1", by="b") == TAKEN_OVER


def test_the_same_offer_by_the_same_rollout_or_by_none_changes_nothing() -> None:
    current = update(rollout="b", rollout_uid="uid-b")
    assert change(current, "p1", by="b") is None
    assert change(current, "p1") is None


def test_a_new_attempt_without_a_rollout_leaves_the_one_that_offered_it() -> None:
    failed = update(state="Failed", at="2026-11-21T00:00:00.000000Z", rollout="b")
    changed = change(failed, "p1")
    assert changed is not None
    assert "rollout" not in changed
    other = change(failed, "p2")
    assert other is not None
    assert (other["rollout"], other["rolloutUid"]) == (None, None)


def test_who_offered_it_is_kept_beside_a_failure_that_came_first_and_beside_the_end() -> None:
    """Neither the failure nor its date may change, for by that date it is retried."""
    failed = update(state="Failed", message="no power", at=AT)
    earlier = "2026-11-21T00:00:00.000000Z"
    assert change(failed, "p1", by="b", offered_at=earlier) == TAKEN_OVER
    finished = update(state="Finished", progress=100)
    assert change(finished, "p1", by="b", runs="p1") == TAKEN_OVER
    assert change(update(), "p1", by="b", runs="p1") == FINISHED | TAKEN_OVER


def test_an_offer_after_the_end_is_another_attempt() -> None:
    changed = change(update(state="Finished", progress=100), "p1")
    assert changed is not None
    assert (changed["attempts"], changed["state"], changed["progress"]) == (2, "Offered", 0)


@pytest.mark.parametrize(("progress", "state"), [(1, "InProgress"), (100, "Finished")])
def test_progress_moves_the_update_on(progress: int, state: str) -> None:
    assert change(update(), progress=progress) == {"progress": progress, "state": state, "at": AT}


def test_the_same_progress_again_changes_nothing() -> None:
    assert change(update(state="InProgress", progress=40), progress=40) is None


def test_without_an_offer_nothing_can_progress() -> None:
    assert change(None, progress=40) is None


def test_an_offer_and_its_progress_may_come_together() -> None:
    changed = change(None, "p1", 30)
    assert changed is not None
    assert (changed["package"], changed["state"], changed["progress"]) == ("p1", "InProgress", 30)


FINISHED = {"state": "Finished", "progress": 100, "at": AT}


@pytest.mark.parametrize("current", [update(), update(state="InProgress", progress=40)])
def test_who_runs_what_was_offered_has_finished(current: Update) -> None:
    assert change(current, runs="p1") == FINISHED


def test_an_offer_and_progress_written_after_the_device_has_finished_do_not_begin_again() -> None:
    finished = update(state="Finished", progress=100)
    assert change(finished, "p1", runs="p1") is None
    assert change(finished, progress=40, runs="p1") is None
    changed = change(None, "p1", runs="p1")
    assert changed is not None
    assert (changed["package"], changed["state"], changed["progress"]) == ("p1", "Finished", 100)


def test_who_runs_another_package_has_not_finished() -> None:
    assert change(update(), runs="p2") is None


BROKEN = Failure("p1", "no space left")


@pytest.mark.parametrize("current", [update(), update(state="InProgress", progress=40)])
def test_a_failure_ends_the_attempt_and_keeps_its_reason(current: Update) -> None:
    assert change(current, failed=BROKEN) == {
        "state": "Failed",
        "message": "no space left",
        "at": AT,
    }


def test_a_failure_told_again_changes_nothing() -> None:
    failed = update(state="Failed", message="no space left", at=AT)
    assert change(failed, failed=BROKEN) is None
    again = change(failed, failed=Failure("p1", "no power"))
    assert again is not None
    assert again["message"] == "no power"


@pytest.mark.parametrize("current", [None, update("p2")])
def test_a_failure_counts_before_its_offer_is_written(current: Update | None) -> None:
    failed = change(current, failed=BROKEN)
    assert failed is not None
    assert (failed["package"], failed["state"]) == ("p1", "Failed")
    del failed["rolloutUid"]  # None, as the view has it anyway
    later = update(**failed)
    assert change(later, "p1", offered_at="2026-11-21T23:59:59.000000Z") is None


def test_an_offer_and_its_failure_may_come_together() -> None:
    changed = change(update("p2"), "p1", failed=BROKEN)
    assert changed is not None
    assert (changed["package"], changed["state"], changed["attempts"]) == ("p1", "Failed", 1)


def test_an_offer_after_a_failure_is_another_attempt() -> None:
    failed = update(state="Failed", message="no space left", at="2026-11-21T00:00:00.000000Z")
    changed = change(failed, "p1")
    assert changed is not None
    assert (changed["state"], changed["attempts"], changed["message"]) == ("Offered", 2, None)


def test_who_runs_the_package_has_not_failed() -> None:
    assert change(update(), failed=BROKEN, runs="p1") == FINISHED


def test_a_reason_is_cut_to_what_is_kept() -> None:
    changed = change(update(), failed=Failure("p1", "x" * 5000))
    assert changed is not None
    assert len(changed["message"]) == 1024
    nothing = change(update(), failed=Failure("p1", ""))
    assert nothing is not None
    assert nothing["message"] is None
