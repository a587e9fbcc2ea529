"""The password hash `$6$` of crypt(3): SHA-512, salted, thousands of rounds.

Written down in "Unix crypt using SHA-256 and SHA-512" (Ulrich Drepper), whose steps the comments
name. Clients of Drogue Cloud make and read it; our own people's passwords use argon2.
"""

import hashlib
import hmac
import re
import secrets
from itertools import chain

ROUNDS = 5_000
MAX_ROUNDS = 100_000
MAX_PASSWORD = 256
"""Bytes: the time taken grows with the length."""

_ALPHABET = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_FORM = re.compile(
    r"\$6\$(?:rounds=(?P<rounds>[0-9]{4,6})\$)?(?P<salt>[^$:\n]{0,16})\$[./0-9A-Za-z]{86}"
)
_SIZE = hashlib.sha512().digest_size
_SALT_LENGTH = 16
_GROUPS = 21


def hashed(password: str) -> str:
    """Return the hash of a password with a salt drawn here. Raises ValueError if it is too long."""
    salt = "".join(secrets.choice(_ALPHABET) for _ in range(_SALT_LENGTH))
    return _crypt(password.encode(), salt, None)


def is_hash(text: str) -> bool:
    """Return whether a text is such a hash, of as many rounds as may be asked of us."""
    match = _FORM.fullmatch(text)
    return match is not None and 1_000 <= int(match["rounds"] or ROUNDS) <= MAX_ROUNDS  # noqa: PLR2004 - of the specification


def verify(password: str, stored: str) -> bool:
    """Return whether the hash is that of the password; takes some milliseconds."""
    match = _FORM.fullmatch(stored)
    encoded = password.encode("utf-8", "surrogatepass")
    if match is None or not is_hash(stored) or len(encoded) > MAX_PASSWORD:
        return False
    made = _crypt(encoded, match["salt"], match["rounds"])
    return hmac.compare_digest(made.encode(), stored.encode())


def _crypt(password: bytes, salt: str, rounds: str | None) -> str:
    if len(password) > MAX_PASSWORD:
        raise ValueError(f"a password has at most {MAX_PASSWORD} bytes")
    digest = _digest(password, salt.encode(), int(rounds or ROUNDS))
    named = f"rounds={rounds}$" if rounds else ""
    return f"$6${named}{salt}${_encoded(digest)}"


def _digest(password: bytes, salt: bytes, rounds: int) -> bytes:
    # Steps 4 to 8: the alternate sum.
    alternate = hashlib.sha512(password + salt + password).digest()
    # Steps 1 to 3 and 9 to 12.
    first = hashlib.sha512(password + salt + _stretched(alternate, len(password)))
    length = len(password)
    while length:
        first.update(alternate if length & 1 else password)
        length >>= 1
    result = first.digest()
    # Steps 13 to 20: the sequences P and S.
    p = _stretched(hashlib.sha512(password * len(password)).digest(), len(password))
    s = _stretched(hashlib.sha512(salt * (16 + result[0])).digest(), len(salt))
    # Step 21: what a round hashes repeats after 42 rounds, but for the result itself.
    middles = [(s if n % 3 else b"") + (p if n % 7 else b"") for n in range(42)]
    sha512 = hashlib.sha512
    for number in range(rounds):
        middle = middles[number % 42]
        if number & 1:
            result = sha512(p + middle + result).digest()
        else:
            result = sha512(result + middle + p).digest()
    return result


def _stretched(block: bytes, length: int) -> bytes:
    return (block * (length // _SIZE + 1))[:length]


def _encoded(digest: bytes) -> str:
    # Step 22: three bytes at a time, their places going round; then the one that is left.
    orders = ((0, 21, 42), (21, 42, 0), (42, 0, 21))
    parts = (
        _characters(int.from_bytes(bytes(digest[n + k] for k in orders[n % 3]), "big"), 4)
        for n in range(_GROUPS)
    )
    return "".join(chain(parts, [_characters(digest[63], 2)]))


def _characters(number: int, count: int) -> str:
    return "".join(_ALPHABET[number >> 6 * place & 0x3F] for place in range(count))
