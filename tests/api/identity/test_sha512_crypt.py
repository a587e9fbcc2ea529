"""The `$6$` hash: the same as crypt(3) makes, and only that."""

import pytest

from polyfleet.api.core.identity import sha512_crypt

# Made by `openssl passwd -6` and by the specification's own test, which has 10,000 rounds.
KNOWN = [
    (
        "Hello world!",
        (
            "$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8v"
            "OuZeHBy/YTBmSK6H9qs/y3RnOaw5v."
        ),
    ),
    (
        "x",
        (
            "$6$abcdefgh$D7W7qyozKBT.t6FD3DVYHvADbIO0eSyI4.p20LaEUjro8PqTGYYo/EQcuNjhFbzo9Yg5"
            "ir1KIEqFY/yJpgFph0"
        ),
    ),
    (
        "ä" * 40,
        (
            "$6$0123456789abcdef$A82HdiaVwmwR.mhbHefUCaEGCdLUBGCzyQj2fsS82mxAYlW5bhycRXgwtXov"
            "NcJR2P4wVR.SovHFuRI8k.LuX/"
        ),
    ),
    (
        "a" * 64,
        (
            "$6$s$e/ci9X0P/si6JKhId/bD59PwDCRUXGfXtlmFJBl9WlbG81lQ4/GNHZY264VcCPxDM9r6CfZeIDo"
            "PfOHTcfX4A/"
        ),
    ),
    (
        "b" * 128,
        (
            "$6$./.$BTL3CXpn/FDd56umFD8KA4vZd7jGN03NCjrLbCVSzL2rAEiLAymSQhr.N9D/6cidIP5AWU5Wr"
            "kh81LO9Q4O5R."
        ),
    ),
]


@pytest.mark.parametrize(("password", "stored"), KNOWN)
def test_hashes_of_other_programs_are_verified(password: str, stored: str) -> None:
    assert sha512_crypt.is_hash(stored)
    assert sha512_crypt.verify(password, stored)
    assert not sha512_crypt.verify(password + "x", stored)


def test_a_hash_made_here_is_verified_and_salted() -> None:
    one, other = sha512_crypt.hashed("pass"), sha512_crypt.hashed("pass")
    assert one != other
    assert sha512_crypt.verify("pass", one)
    assert not sha512_crypt.verify("Pass", one)


@pytest.mark.parametrize(
    "stored",
    [
        "",
        "$6$",
        "$5$a$b",
        "$6$salt$short",
        "$6$rounds=999$s$" + "a" * 86,
        "$6$rounds=100001$s$" + "a" * 86,
    ],
)
def test_other_texts_are_no_hashes(stored: str) -> None:
    assert not sha512_crypt.is_hash(stored)
    assert not sha512_crypt.verify("x", stored)


def test_a_long_password_costs_no_time() -> None:
    with pytest.raises(ValueError, match="256"):
        sha512_crypt.hashed("x" * 257)
    assert not sha512_crypt.verify("x" * 1_000_000, sha512_crypt.hashed("x"))
