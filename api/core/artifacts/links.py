"""Download links that hold for a limited time: an HMAC over path and expiry.

The check is made when a request starts; a download that has begun runs to its end.
"""

import hashlib
import hmac
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from polyfleet.api.core.errors import Forbidden

LOCAL_PREFIX = "/local_storage"
"""Where the facade serves its own files; the address RDFM's clients know."""

_PURPOSE = b"polyfleet artifact link 1"
_MAXIMUM_DIGITS = 12
_ROUNDING_SECONDS = 60
_REMEMBERED = 1024


class LinkSigner:
    """Makes links and checks them.

    `keys` tells the keys of the moment: the first signs, all of them verify, so that keys can be
    changed while links are out. With `public` links carry no signature and none is asked for.
    """

    def __init__(
        self,
        keys: Callable[[], Sequence[bytes]],
        *,
        lifetime: timedelta,
        clock: Callable[[], datetime],
        public: bool = False,
    ) -> None:
        self._keys = keys
        self._lifetime = lifetime
        self._clock = clock
        self._public = public
        self._signed: dict[str, tuple[str, bytes, str]] = {}

    def link(self, path: str, base_url: str) -> str:
        """Return the address of a stored path, good for the lifetime and up to a minute more.

        Whoever asks in the same minute gets the same address, so it is signed but once.
        """
        address = f"{base_url.rstrip('/')}{LOCAL_PREFIX}/{path}"
        if self._public:
            return address
        ends = (self._clock() + self._lifetime).timestamp()
        expires = str(math.ceil(ends / _ROUNDING_SECONDS) * _ROUNDING_SECONDS)
        return f"{address}?expires={expires}&signature={self._signature(path, expires)}"

    def check(self, path: str, query: Mapping[str, str]) -> None:
        """Raise Forbidden unless the query holds a good, unexpired signature of the path."""
        if self._public:
            return
        expires, signature = query.get("expires", ""), query.get("signature", "")
        good = False
        for key in self._keys():
            expected = _sign(key, path, expires).encode()
            good |= hmac.compare_digest(expected, signature.encode())
        # Only after the signature: what it covers was written by us and is in range.
        if not good or len(expires) > _MAXIMUM_DIGITS or not expires.isdecimal():
            raise Forbidden("the link does not hold")
        if int(expires) <= self._clock().timestamp():
            raise Forbidden("the link has expired")

    def _signature(self, path: str, expires: str) -> str:
        key = self._keys()[0]
        known = self._signed.get(path)
        if known is not None and known[0] == expires and known[1] == key:
            return known[2]
        if len(self._signed) >= _REMEMBERED:
            self._signed.clear()
        signature = _sign(key, path, expires)
        self._signed[path] = (expires, key, signature)
        return signature


def _sign(key: bytes, path: str, expires: str) -> str:
    message = b"\0".join((_PURPOSE, path.encode(), expires.encode()))
    return hmac.new(key, message, hashlib.sha256).hexdigest()
