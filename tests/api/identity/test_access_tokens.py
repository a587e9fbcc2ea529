import re

import pytest

from polyfleet.api.core.identity import access_tokens

BODY = "drg_012345_012345678901234567890123456789"
KNOWN = f"{BODY}20BetF"


def test_the_known_token_is_well_formed() -> None:
    assert access_tokens.well_formed(KNOWN)


def test_the_digest_of_the_known_token_is_the_known_one() -> None:
    assert access_tokens.digest(KNOWN).startswith("d08a9d562a28816d47c8")


@pytest.mark.parametrize(
    "text",
    [
        "",
        BODY,
        f"{BODY}20BetG",
        f"{BODY}20BetF ",
        f"{BODY}020BetF",
        KNOWN.replace("drg_", "drx_"),
        KNOWN.replace("012345_", "01234_"),
        KNOWN[:-7] + "é20BetF",
    ],
)
def test_a_token_that_was_mistyped_is_not_well_formed(text: str) -> None:
    assert not access_tokens.well_formed(text)


def test_new_tokens_have_the_form_and_differ() -> None:
    made = [access_tokens.generate() for _ in range(200)]
    assert all(access_tokens.well_formed(token.text) for token in made)
    assert all(re.fullmatch(r"drg_[0-9A-Za-z]{6}", token.prefix) for token in made)
    assert all(token.text.startswith(f"{token.prefix}_") for token in made)
    assert len({token.text for token in made}) == len(made)


def test_a_new_token_does_not_show_its_text_when_it_is_printed() -> None:
    token = access_tokens.generate()
    assert token.text not in repr(token)


def test_only_the_public_part_of_a_token_is_a_prefix() -> None:
    assert access_tokens.is_prefix("drg_012345")
    assert not access_tokens.is_prefix(KNOWN)
