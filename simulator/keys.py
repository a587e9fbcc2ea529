"""Real RSA-2048 keys for many devices in little time.

Finding primes is what makes key generation slow. m primes give m(m-1)/2 distinct keys when each
pair makes one, which is as good as any key for measuring, and good for nothing else. A pool kept
in a file only grows, so that a device has the same key in every run.
"""

import json
import math
import os
import tempfile
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

_BITS = 2048
_EXPONENT = 65_537


class KeyPool:
    """`count` distinct key pairs; numbers from `count` on begin again."""

    def __init__(
        self,
        count: int,
        progress: Callable[[int], None] = lambda _: None,
        *,
        primes: Iterable[int] = (),
    ) -> None:
        self._count = count
        wanted = primes_for(count)
        self._primes = list(primes)
        while len(self._primes) < wanted:
            numbers = rsa.generate_private_key(_EXPONENT, _BITS).private_numbers()
            self._primes += [numbers.p, numbers.q]
            progress(len(self._primes))

    @property
    def primes(self) -> tuple[int, ...]:
        """The primes that the keys are made of: give them to a pool to come to have its keys."""
        return tuple(self._primes)

    def public_pem(self, index: int) -> str:
        """Return the public key as RDFM's Linux client sends it: PKCS#1 in a SPKI envelope."""
        first, second = self._pair(index)
        key = rsa.RSAPublicNumbers(_EXPONENT, first * second).public_key()
        text = key.public_bytes(Encoding.PEM, PublicFormat.PKCS1).decode()
        return text.replace("RSA PUBLIC KEY", "PUBLIC KEY")

    def sign(self, index: int, message: bytes) -> bytes:
        """Return the signature that RDFM asks for: RSASSA-PKCS1-v1_5 with SHA-256."""
        return self._private(index % self._count).sign(message, PKCS1v15(), SHA256())

    @lru_cache(maxsize=16_384)  # noqa: B019 - one pool lives as long as the run
    def _private(self, index: int) -> rsa.RSAPrivateKey:
        p, q = self._pair(index)
        exponent = pow(_EXPONENT, -1, math.lcm(p - 1, q - 1))
        numbers = rsa.RSAPrivateNumbers(
            p=p,
            q=q,
            d=exponent,
            dmp1=exponent % (p - 1),
            dmq1=exponent % (q - 1),
            iqmp=pow(q, -1, p),
            public_numbers=rsa.RSAPublicNumbers(_EXPONENT, p * q),
        )
        return numbers.private_key(unsafe_skip_rsa_key_validation=True)

    def _pair(self, index: int) -> tuple[int, int]:
        # The pairs in the order (1,0) (2,0) (2,1) (3,0) ...: row r has r of them.
        index %= self._count
        row = (1 + math.isqrt(1 + 8 * index)) // 2
        return self._primes[row], self._primes[index - row * (row - 1) // 2]


def primes_for(count: int) -> int:
    """Return how many primes have at least `count` pairs."""
    return max(2, (1 + math.isqrt(8 * count)) // 2 + 1)


def kept_pool(file: Path, count: int, progress: Callable[[int], None] = lambda _: None) -> KeyPool:
    """Return a pool that begins with the keys kept in `file`, and keep what it lacked there.

    Raises ValueError if the file holds something else.
    """
    try:
        primes = json.loads(file.read_text())["primes"] if file.exists() else []
        known = [int(text, 16) for text in primes]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{file} does not hold a pool of keys; remove it") from error
    pool = KeyPool(count, progress, primes=known)
    if len(pool.primes) > len(known):
        _keep(file, pool.primes)
    return pool


def _keep(file: Path, primes: Iterable[int]) -> None:
    """Write by a file of its own that takes the place: readers see one whole pool or the other."""
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=file.parent, prefix=file.name)  # mode 600
    try:
        with os.fdopen(descriptor, "w") as stream:
            json.dump({"primes": [f"{prime:x}" for prime in primes]}, stream)
        Path(temporary).replace(file)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
