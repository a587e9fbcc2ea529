"""Label selectors, against an evaluator of their own kind."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyfleet.fleet.objects.group import LabelSelector, SelectorRequirement
from polyfleet.fleet.selectors import matches, parse, text

keys = st.sampled_from(["a", "b", "example.com/c", "in", "notin"])
values = st.sampled_from(["", "x", "y", "in", "Z.z_z-9"])
labels = st.dictionaries(keys, values)
Term = tuple[str, str, list[str]]
terms = st.tuples(
    st.sampled_from(["=", "==", "!=", "in", "notin", "exists", "!"]),
    keys,
    st.lists(values, min_size=1, max_size=3),
)


def written(term: Term, space: str) -> str:
    operator, key, items = term
    match operator:
        case "exists":
            return key
        case "!":
            return f"!{space}{key}"
        case "in" | "notin":
            return f"{key} {operator} ({space}{f'{space},{space}'.join(items)}{space})"
        case _:
            return f"{key}{space}{operator}{space}{items[0]}"


def true_of(term: Term, found: dict[str, str]) -> bool:
    operator, key, items = term
    match operator:
        case "exists":
            return key in found
        case "!":
            return key not in found
        case "in":
            return key in found and found[key] in items
        case "notin":
            return not (key in found and found[key] in items)
        case "!=":
            return not (key in found and found[key] == items[0])
        case _:
            return key in found and found[key] == items[0]


@given(st.lists(terms, max_size=4), labels, st.sampled_from(["", " ", "  "]))
def test_a_text_selects_what_its_terms_say(
    parts: list[Term], found: dict[str, str], space: str
) -> None:
    text = f"{space},{space}".join(written(part, space) for part in parts)

    assert matches(parse(text), found) == all(true_of(part, found) for part in parts)


@given(st.dictionaries(keys, values, max_size=2), st.lists(terms, max_size=3), labels)
def test_labels_and_expressions_must_both_hold(
    wanted: dict[str, str], parts: list[Term], found: dict[str, str]
) -> None:
    names = {"exists": "Exists", "!": "DoesNotExist", "in": "In", "notin": "NotIn"}
    selector = LabelSelector(
        match_labels=wanted,
        match_expressions=tuple(
            SelectorRequirement(key=key, operator=names[operator], values=tuple(items))
            for operator, key, items in parts
            if operator in names
        ),
    )
    expected = all(true_of(("=", key, [value]), found) for key, value in wanted.items()) and all(
        true_of(part, found) for part in parts if part[0] in names
    )

    assert matches(selector, found) == expected


def test_an_empty_selector_selects_all() -> None:
    assert matches(LabelSelector(), {})


def test_an_operator_that_does_not_exist_selects_nothing() -> None:
    selector = LabelSelector(match_expressions=(SelectorRequirement(key="a", operator="Gt"),))

    assert not matches(selector, {"a": "5"})


@pytest.mark.parametrize(
    "text",
    [
        "a,",
        ",a",
        "a,,b",
        "a b",
        "a in x",
        "a in (x",
        "-a",
        "a=b c",
        "a>1",
        "a=" + "x" * 64,
        "a/b/c",
    ],
)
def test_what_is_no_selector_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="selector"):
        parse(text)


def test_a_text_made_to_be_slow_is_refused_without_trying_every_split() -> None:
    with pytest.raises(ValueError, match="not a label selector"):
        parse("a in (" + "   ,   " * 1100 + "!")


def test_a_text_that_is_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match="at most"):
        parse("a" * 9000)


@given(st.dictionaries(keys, values, max_size=2), st.lists(terms, max_size=3), labels)
def test_a_written_selector_selects_what_it_did(
    equal: dict[str, str], parts: list[Term], found: dict[str, str]
) -> None:
    expressions = parse(",".join(written(part, "") for part in parts)).match_expressions
    selector = LabelSelector(match_labels=equal, match_expressions=expressions)

    assert matches(parse(text(selector)), found) == matches(selector, found)
