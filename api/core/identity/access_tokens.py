"""Access tokens: how their text looks, and what is kept of it.

`drg_`, six letters or digits, `_`, thirty more, and the CRC-32 of all that in base 62: the form of
Drogue Cloud, so that its clients take them. Only the SHA3-512 of the text is kept.
"""

import hashlib
import re
import secrets
import string
import zlib
from dataclasses import dataclass, field

_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_FORM = re.compile(r"(drg_[0-9A-Za-z]{6}_[0-9A-Za-z]{30})([0-9A-Za-z]{1,6})")
_PREFIX_FORM = re.compile(r"drg_[0-9A-Za-z]{6}")
_MARK = "drg_"
PREFIX_LENGTH = 10


@dataclass(frozen=True, slots=True)
class NewAccessToken:
    """A token just made. `text` is shown once and kept nowhere."""

    prefix: str
    text: str = field(repr=False)
    hash: str


def generate() -> NewAccessToken:
    """Make a token with 178 random bits."""
    body = f"{_MARK}{_random(6)}_{_random(30)}"
    text = body + _checksum(body)
    return NewAccessToken(prefix=body[:PREFIX_LENGTH], text=text, hash=digest(text))


def digest(text: str) -> str:
    """Return what is kept of a token: the SHA3-512 of its text, in hex."""
    return hashlib.sha3_512(text.encode()).hexdigest()


def looks_like_one(text: str) -> bool:
    """Return whether a text is meant as an access token, well formed or not."""
    return text.startswith(_MARK)


def well_formed(text: str) -> bool:
    """Return whether the form and the checksum are right: garbage costs no look-up."""
    match = _FORM.fullmatch(text)
    return match is not None and _checksum(match[1]) == match[2]


def is_prefix(text: str) -> bool:
    """Return whether a text is the public part of a token."""
    return _PREFIX_FORM.fullmatch(text) is not None


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def _checksum(body: str) -> str:
    rest, digits = zlib.crc32(body.encode()), ""
    while rest:
        rest, digit = divmod(rest, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits or _ALPHABET[0]
