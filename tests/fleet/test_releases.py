"""Releases: when one is needed, its number, and what its summary says."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyfleet.fleet.given_values import NOTHING_GIVEN, Given
from polyfleet.fleet.objects.application import Application, Change, Configuration
from polyfleet.fleet.objects.build import Build
from polyfleet.fleet.objects.release import Release
from polyfleet.fleet.releases import (
    Desired,
    current_build,
    desired_state,
    environment,
    merged,
    needs_release,
    newest_release,
    next_number,
    release_spec,
    summary,
)

CHANGE = {"id": "change-1", "by": "ann"}
GIVEN = Given({"A": "1"}, "uid-of-the-secret")


def application(**spec: Any) -> Application:
    return msgspec.convert(
        {"metadata": {"name": "shop"}, "spec": {"name": "shop", **spec}}, Application
    )


def build(name: str, **spec: Any) -> Build:
    made = spec.pop("made", "2030-01-01T00:00:00Z")
    return msgspec.convert(
        {
            "metadata": {"name": name, "creationTimestamp": made},
            "spec": {"application": "shop", "image": "shop:1", **spec},
        },
        Build,
    )


def release(desired: Desired, number: int) -> Release:
    spec = release_spec(
        desired,
        number,
        who="ann",
        text="",
        created_at="2030-01-01T00:00:00.000000Z",
        release_uuid="u",
    )
    return msgspec.convert({"metadata": {"name": f"shop-v{number}"}, "spec": spec}, Release)


def test_an_application_that_runs_nothing_needs_no_release() -> None:
    assert desired_state(application(), []) is None
    assert desired_state(application(workload={"processes": []}), []) is None
    limited = application(config={"memory": {"web": "1M"}})
    assert desired_state(limited, [], given=GIVEN) is None
    assert desired_state(application(workload={"change": CHANGE}), []) is not None


def test_the_named_build_is_the_current_one_and_else_the_newest() -> None:
    builds = [
        build("old", createdAt="2030-01-01T00:00:00.900000Z"),
        build("by-kubectl", made="2030-01-01T00:00:01Z"),
        build("older", createdAt="2030-01-01T00:00:00.100000Z"),
    ]
    assert current_build(application(), builds) == "by-kubectl"
    assert current_build(application(workload={"build": "old"}), builds) == "old"
    over_rest = build("over-rest", made="2040-01-01T00:00:00Z", uuid="u")
    assert current_build(application(), [*builds, over_rest]) == "by-kubectl"
    assert current_build(application(workload={"build": "over-rest"}), builds) == "over-rest"
    assert current_build(application(), []) is None


def test_values_of_kubectl_count_only_without_a_configuration_of_the_api() -> None:
    by_kubectl = desired_state(application(), [build("b1")], given=GIVEN)
    assert by_kubectl is not None
    assert by_kubectl.config.uuid == GIVEN.uuid
    nothing = desired_state(application(), [build("b1")])
    assert nothing is not None
    assert nothing.config.uuid == NOTHING_GIVEN.uuid
    over_rest = desired_state(application(config={"uuid": "u1"}), [build("b1")], given=GIVEN)
    assert over_rest is not None
    assert over_rest.config.uuid == "u1"


@pytest.mark.parametrize(
    ("fields", "needed"),
    [
        ({}, False),
        ({"build": "b2"}, True),
        ({"config": Configuration(uuid="u2")}, True),
        ({"config": Configuration(uuid="u1", memory={"web": "1M"})}, True),
        ({"config": Configuration(uuid="u1", owner="bob")}, False),
        ({"change": Change(**CHANGE)}, True),
    ],
)
def test_a_release_is_needed_for_each_wish_and_each_difference(
    fields: dict[str, Any], needed: bool
) -> None:
    wanted = Desired("shop", "b1", Configuration(uuid="u1"))
    after = Desired(**{**vars(wanted), **fields})
    assert needs_release(after, release(wanted, 1)) is needed
    assert needs_release(wanted, None)
    assert not needs_release(after, release(after, 2))


@given(st.sets(st.integers(1, 50)), st.integers(0, 50))
def test_numbers_are_never_used_again(numbers: set[int], last: int) -> None:
    wanted = Desired("shop", None, Configuration(uuid="u"))
    releases = [release(wanted, number) for number in numbers]
    assert next_number(releases, last) == max([*numbers, last, 0]) + 1
    newest = newest_release(releases)
    assert (newest.spec.version if newest else 0) == max([*numbers, 0])


maps = st.dictionaries(st.sampled_from("abcd"), st.integers(0, 2) | st.just("t"))


@given(maps, st.dictionaries(st.sampled_from("abcd"), st.none() | st.integers(0, 2)))
def test_merging_changes_what_is_named_and_nothing_else(
    before: dict[str, Any], change: dict[str, Any]
) -> None:
    after = merged(before, change)
    assert None not in after.values()
    for key in "abcd":
        wanted = change[key] if key in change else before.get(key)
        assert after.get(key) == wanted
    assert merged(after, change) == after


NOTHING = Desired("shop", None, Configuration(uuid="u1"))


def said(
    before: Desired | None, after: Desired, *values: dict[str, Any], image: Build | None = None
) -> str:
    old, new = values or ({}, {})
    previous = None if before is None else release(before, 4)
    return summary("a", after, image, previous, values=new, previous_values=old)


def wanted(**fields: Any) -> Desired:
    return Desired(**{**vars(NOTHING), **fields})


def config(**fields: Any) -> Configuration:
    return Configuration(**{"uuid": "u2", **fields})


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ({}, {"FOO": "b", "N": 5}, "a added FOO, N"),
        ({"A": "1"}, {"A": "2"}, "a changed A"),
        ({"N": 1}, {"N": True}, "a changed N"),
        ({"FOO": "b"}, {}, "a deleted FOO"),
        (
            {"A": "1", "D": "x"},
            {"A": "2", "C": "1", "B": "1"},
            "a added B, C, changed A, deleted D",
        ),
        ({"A": "1"}, {"A": "1"}, "a changed nothing"),
    ],
)
def test_a_summary_names_the_variables(old: dict[str, Any], new: dict[str, Any], text: str) -> None:
    assert said(NOTHING, wanted(config=config()), old, new) == text


def test_a_summary_names_limits_and_tags() -> None:
    limits = wanted(config=config(memory={"web": "1M"}, cpu={"web": 1}))
    assert said(NOTHING, limits) == "a changed limits for memory, cpu"
    assert said(limits, wanted(config=config(memory={"web": "1M"}))) == "a changed limits for cpu"
    tagged = wanted(config=config(tags={"rack": "1"}))
    assert said(NOTHING, tagged) == "a added tag rack"
    assert said(tagged, wanted(config=config(tags={"rack": "2"}))) == "a changed tag rack"
    assert said(tagged, NOTHING) == "a deleted tag rack"
    both = wanted(config=config(memory={"web": "1M"}, tags={"rack": "1"}))
    assert said(NOTHING, both, {}, {"Zu": 1}) == (
        "a added Zu and changed limits for memory and added tag rack"
    )


def test_a_summary_names_what_is_deployed() -> None:
    built = wanted(build="b1")
    assert said(NOTHING, built, image=build("b1", image="reg/shop:1")) == "a deployed reg/shop:1"
    sha = build("b1", sha="060da68f654e75fac06dbedd1995d5f8ad9084db")
    assert said(NOTHING, built, image=sha) == "a deployed 060da68"
    changed = wanted(build="b1", config=config())
    assert said(NOTHING, changed, {}, {"A": 1}, image=sha) == "a deployed 060da68 and added A"


def test_a_summary_tells_of_beginnings_and_returns() -> None:
    assert said(None, wanted(change=Change(**CHANGE))) == "a created initial release"
    rollback = wanted(build="b1", change=Change(id="c9", by="a", rollback_of=2))
    assert said(NOTHING, rollback) == "a rolled back to v2"
    edited = wanted(build="b2", change=rollback.change)
    assert said(rollback, edited, image=build("b2")) == "a deployed shop:1"


@given(st.dictionaries(st.text(max_size=8), st.text() | st.integers() | st.booleans()))
def test_each_value_is_a_variable_or_refused(values: dict[str, Any]) -> None:
    found = environment(values)
    assert found.variables.keys() | set(found.refused) == values.keys()
    assert not found.variables.keys() & set(found.refused)


def test_variables_are_texts() -> None:
    values = {"A": "x", "N": 5, "T": True, "F": 1.5, "L": [1], "1bad": "x", "with space": "x"}
    found = environment(values)
    assert found.variables == {"A": "x", "N": "5", "T": "true", "F": "1.5", "L": "[1]"}
    assert found.refused == ("1bad", "with space")
