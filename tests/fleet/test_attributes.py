"""Attributes of devices."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyfleet.fleet import attributes
from polyfleet.fleet.attributes import (
    TYPE_KEY,
    Attribute,
    attributes_of,
    device_type,
    device_type_of,
    merge_source,
    merged,
    replace_source,
)
from tests.fleet import make
from tests.fleet.make import attribute, raw

plain_values = st.one_of(
    st.text(max_size=5),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.lists(st.text(max_size=5), max_size=3),
    st.lists(st.integers(-5, 5), min_size=1, max_size=3),
)


@given(st.dictionaries(st.text(min_size=1, max_size=5), plain_values, max_size=4))
def test_values_survive_being_stored(mapping: dict[str, Any]) -> None:
    stored = json.dumps(attributes.documents(attributes_of(mapping))).encode()

    found = attributes.decode(msgspec.Raw(stored))

    assert {item.name: attributes.plain(item.value) for item in found} == mapping


@pytest.mark.parametrize("bad", [None, True, {}, ["a", 1], [True], [["a"]], float("nan")])
def test_a_value_of_another_type_is_refused_by_its_name(bad: object) -> None:
    with pytest.raises(ValueError, match=r"^site: a value is a text, a number, or a list"):
        attributes_of({"site": bad})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "a"),
        (5, "5"),
        (1.0, "1"),
        (1.5, "1.5"),
        (-0.25, "-0.25"),
        (["a", "b"], ["a", "b"]),
        ([1, 2.5], ["1", "2.5"]),
        ([], []),
    ],
)
def test_numbers_are_written_as_json_writes_them(value: object, text: object) -> None:
    assert attributes.text(attributes.value_of(value)) == text


def test_reported_wins_over_declared_and_declared_over_enrolled() -> None:
    device = make.device(
        enrolled=[attribute(name, "enrolled") for name in ("a", "b", "c")],
        declared=[attribute(name, "declared") for name in ("b", "c")],
        reported=[attribute("c", "reported", source="rdfm", at="2026-01-01T00:00:00Z")],
    )

    found = {name: item.value.string for name, item in attributes.merged(device).items()}

    assert found == {"a": "enrolled", "b": "declared", "c": "reported"}


def test_of_two_sources_the_one_whose_value_changed_last_is_seen() -> None:
    device = make.device(
        reported=[
            attribute("a", "new", source="inventory", at="2026-01-02T00:00:00.000000Z"),
            attribute("a", "old", source="rdfm", at="2026-01-01T00:00:00.000000Z"),
        ]
    )

    assert attributes.merged(device)["a"].value.string == "new"


def test_the_version_is_the_one_that_the_device_last_said_it_runs() -> None:
    told = attribute("rdfm.software.version", "v1", source="rdfm", at="2026-01-01T00:00:00Z")
    seen = attributes.merged(make.device(reported=[told], version="v2"))

    assert seen["rdfm.software.version"].value.string == "v2"
    assert attributes.merged(make.device(reported=[told], version="v1")) == attributes.merged(
        make.device(reported=[told])
    )


def test_a_device_without_status_or_enrolment_has_no_attributes() -> None:
    assert attributes.merged(make.device()) == {}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ({"rdfm.hardware.devtype": "foo", "device_type": "bar"}, "foo"),
        ({"device_type": "bar"}, "bar"),
        ({"device_type": ["bar"]}, None),
        ({}, None),
    ],
)
def test_the_device_type_is_rdfms_else_menders(
    names: dict[str, object], expected: str | None
) -> None:
    known = {item.name: item for item in attributes_of(names)}

    assert attributes.device_type(known) == expected


OWN = attribute("a", "1", source="rdfm", at="t1")
OTHER = attribute("a", "9", source="inventory", at="t1")


def test_replacing_touches_only_the_own_entries() -> None:
    after = replace_source(raw([OWN, OTHER]), "rdfm", attributes_of({"b": "2"}), "t2")

    assert after == [OTHER, attribute("b", "2", source="rdfm", at="t2")]


def test_merging_keeps_the_own_entries_that_are_not_named() -> None:
    after = merge_source(raw([OWN, OTHER]), "rdfm", attributes_of({"b": "2"}), "t2")

    assert after == [OTHER, OWN, attribute("b", "2", source="rdfm", at="t2")]


@pytest.mark.parametrize("change", [replace_source, merge_source])
def test_a_report_of_the_same_values_changes_nothing(change: Any) -> None:
    assert change(raw([OWN, OTHER]), "rdfm", attributes_of({"a": "1"}), "t2") is None


def test_an_entry_that_stays_keeps_its_time() -> None:
    after = replace_source(raw([OWN]), "rdfm", attributes_of({"a": "1", "b": "2"}), "t2")

    assert after is not None
    assert [entry["at"] for entry in after] == ["t1", "t2"]


def test_another_description_is_a_change() -> None:
    new = Attribute(name="a", value=attributes.value_of("1"), description="one")

    after = merge_source(raw([OWN]), "rdfm", [new], "t2")

    assert after == [attribute("a", "1", source="rdfm", at="t2", description="one")]


def test_replacing_by_nothing_takes_the_own_entries_away() -> None:
    assert replace_source(raw([OWN, OTHER]), "rdfm", [], "t2") == [OTHER]


KEY = "attr.polyfleet.dev/ring"


def test_a_chosen_attribute_is_mirrored_as_a_label() -> None:
    device = make.device(reported=[attribute("ring", "beta")])

    assert attributes.mirrored_labels(device, ["ring"]) == {KEY: "beta"}


def test_a_label_that_is_right_needs_no_change() -> None:
    device = make.device(reported=[attribute("ring", "beta")], labels={KEY: "beta"})

    assert attributes.mirrored_labels(device, ["ring"]) == {}


def test_a_device_cannot_talk_itself_into_another_ring() -> None:
    device = make.device(declared=[attribute("ring", "a")], reported=[attribute("ring", "b")])

    assert attributes.mirrored_labels(device, ["ring"]) == {KEY: "a"}


@pytest.mark.parametrize(
    ("device", "names"),
    [
        (make.device(labels={KEY: "old"}), ["ring"]),
        (make.device(labels={KEY: "x"}, reported=[attribute("ring", "x y")]), ["ring"]),
        (make.device(labels={KEY: "x"}, reported=[attribute("ring", "x")]), []),
    ],
    ids=["attribute gone", "not a label value", "no longer chosen"],
)
def test_a_label_that_mirrors_nothing_is_taken_away(device: Any, names: list[str]) -> None:
    assert attributes.mirrored_labels(device, names) == {KEY: None}


def test_a_name_that_is_no_label_key_is_not_mirrored() -> None:
    device = make.device(reported=[attribute("my ring", "beta")])

    assert attributes.mirrored_labels(device, ["my ring"]) == {}


@given(
    st.lists(
        st.tuples(
            st.sampled_from([TYPE_KEY, "device_type", "other"]),
            st.sampled_from([{"string": "foo"}, {"string": "bar"}, {"number": 1}]),
            st.sampled_from(["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"]),
        ),
        max_size=4,
    ),
    st.sampled_from([[], [make.attribute(TYPE_KEY, "declared")]]),
)
def test_the_type_of_a_device_is_that_of_all_its_attributes(
    reported: list[tuple[str, dict[str, Any], str]], declared: list[dict[str, Any]]
) -> None:
    told = [
        {"name": name, "value": value, "source": f"s{number}", "at": at}
        for number, (name, value, at) in enumerate(reported)
    ]
    device = make.device(reported=told, declared=declared)

    assert device_type_of(device) == device_type(merged(device))
