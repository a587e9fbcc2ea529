"""Checks of request bodies."""

import pytest

from polyfleet.api.core.errors import Invalid
from polyfleet.api.dialects.rdfm import bodies


def test_all_required_and_optional_fields_pass() -> None:
    body = {"metadata": {}, "priority": 3}
    assert bodies.exactly(body, ["metadata"], ["priority"]) == body


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "metadata"),
        ({"metadata": {}, "other": 1}, "other"),
        ([], "body"),
        (None, "body"),
        ("metadata", "body"),
    ],
)
def test_missing_and_unknown_fields_are_named(body: object, field: str) -> None:
    with pytest.raises(Invalid) as raised:
        bodies.exactly(body, ["metadata"], ["priority"])
    assert raised.value.field == field


def test_identifiers_may_be_numbers_or_their_texts() -> None:
    assert bodies.serials([1, "2", "03"], "add") == [1, 2, 3]


@pytest.mark.parametrize(
    "value",
    [None, 1, "1", {}, [None], [True], [1.0], ["x"], ["-1"], ["1.5"], ["٣"], [[]], ["9" * 19]],
)
def test_other_identifiers_are_refused(value: object) -> None:
    with pytest.raises(Invalid) as raised:
        bodies.serials(value, "add")
    assert raised.value.field == "add"


@pytest.mark.parametrize("value", [True, 1.0, "1.0", "x", "", "--1", "٣", "9" * 19, None, []])
def test_only_integers_are_whole(value: object) -> None:
    with pytest.raises(Invalid):
        bodies.whole(value, "priority")


@pytest.mark.parametrize("value", [-3, "-3", "-03"])
def test_an_integer_or_its_text_is_whole(value: object) -> None:
    assert bodies.whole(value, "priority") == -3


def test_a_text_may_have_a_greatest_length() -> None:
    assert bodies.text("abc", "policy", longest=3) == "abc"
    with pytest.raises(Invalid):
        bodies.text("abcd", "policy", longest=3)


@pytest.mark.parametrize("value", [1, None, ["x"]])
def test_only_texts_are_texts(value: object) -> None:
    with pytest.raises(Invalid):
        bodies.text(value, "policy")
