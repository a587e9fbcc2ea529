"""RDFM's update policies."""

import pytest

from polyfleet.fleet.policy import InvalidPolicy, Policy, parse


def test_no_update_names_no_version() -> None:
    assert parse("no_update,") == Policy("no_update", None)


def test_exact_match_names_a_version() -> None:
    assert parse("exact_match,v1") == Policy("exact_match", "v1")


def test_the_version_begins_after_the_first_comma() -> None:
    assert parse("exact_match,v1,rc").version == "v1,rc"


@pytest.mark.parametrize(
    "text", ["", "no_update", "no_update,v1", "exact_match", "exact_match,", "latest,v1"]
)
def test_anything_else_is_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(InvalidPolicy, match="'no_update,' or 'exact_match,<version>'"):
        parse(text)
