"""The public keys of an OpenID Connect issuer, fetched when needed and not more often."""

import asyncio
from dataclasses import dataclass
from typing import Any

import aiohttp
import jwt
import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from pydantic import TypeAdapter, ValidationError

from polyfleet.api.core.identity.clock import Monotonic, monotonic_clock
from polyfleet.api.core.identity.settings import OidcSettings, SecureUrl
from polyfleet.api.core.identity.web import Unreachable, fetch_json

MAX_KEYS = 64
SMALLEST_RSA = 2_048
PAUSE_SECONDS = 10.0
STALE_LIFETIMES = 6

_ALGORITHMS = {"RSA": ("RS", "PS"), "EC": ("ES",), "OKP": ("EdDSA",)}
_URL = TypeAdapter[str](SecureUrl)
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class IssuerKey:
    """A public key, and the one algorithm that it is for, if the issuer says so."""

    id: str | None
    kind: str
    algorithm: str | None
    key: Any

    def fits(self, algorithm: str) -> bool:
        """Return whether the key may check signatures of an algorithm."""
        if self.algorithm is not None:
            return algorithm == self.algorithm
        return algorithm.startswith(_ALGORITHMS[self.kind])


class IssuerKeys:
    """Finds the key that a token names.

    Keys are fetched anew when their lifetime is over, and when a token names one that is not
    there; in either case at most once in ten seconds, whatever tokens arrive. While the issuer is
    away the keys known last serve on for six lifetimes.
    """

    def __init__(
        self,
        settings: OidcSettings,
        session: aiohttp.ClientSession,
        *,
        monotonic: Monotonic = monotonic_clock,
    ) -> None:
        """Fetch through `session` what the settings name."""
        self._settings = settings
        self._session = session
        self._monotonic = monotonic
        self._keys: tuple[IssuerKey, ...] = ()
        self._fetched_at = float("-inf")
        self._tried_at = float("-inf")
        self._lock = asyncio.Lock()

    async def find(self, key_id: str | None) -> IssuerKey | None:
        """Return the key of this id; without an id, the only key there is.

        Raises Unreachable if the issuer's keys are not known.
        """
        now = self._monotonic()
        found = self._look_up(key_id)
        if found is None or now - self._fetched_at >= self._settings.keys_lifetime:
            await self._refresh()
            found = self._look_up(key_id)
        if now - self._fetched_at >= STALE_LIFETIMES * self._settings.keys_lifetime:
            raise Unreachable("the issuer's keys are not known")
        return found

    def _look_up(self, key_id: str | None) -> IssuerKey | None:
        matching = [key for key in self._keys if key_id is None or key.id == key_id]
        return matching[0] if len(matching) == 1 else None

    async def _refresh(self) -> None:
        async with self._lock:
            now = self._monotonic()
            if now - self._tried_at < PAUSE_SECONDS:
                return
            self._tried_at = now
            try:
                self._keys = await self._fetch()
                self._fetched_at = now
            except Unreachable as error:
                _log.warning("issuer's keys could not be fetched", error=str(error))

    async def _fetch(self) -> tuple[IssuerKey, ...]:
        settings = self._settings
        base = settings.issuer.rstrip("/")
        discovered = await fetch_json(
            self._session, f"{base}/.well-known/openid-configuration", timeout=settings.timeout
        )
        if discovered.get("issuer") != settings.issuer:
            raise Unreachable("the discovery document is of another issuer")
        try:
            address = _URL.validate_python(discovered.get("jwks_uri"))
        except ValidationError as error:
            raise Unreachable("the discovery document has no secure jwks_uri") from error
        document = await fetch_json(self._session, address, timeout=settings.timeout)
        return _keys(document)


def _keys(document: dict[str, Any]) -> tuple[IssuerKey, ...]:
    entries = document.get("keys")
    if not isinstance(entries, list) or len(entries) > MAX_KEYS:
        raise Unreachable("the key set is none, or too large")
    read = (_key(entry) for entry in entries if isinstance(entry, dict))
    return tuple(key for key in read if key is not None)


def _key(entry: dict[str, Any]) -> IssuerKey | None:
    """Return a key that signatures may be checked with; None for any other."""
    kind = entry.get("kty")
    if kind not in _ALGORITHMS or entry.get("use") == "enc" or "d" in entry:
        return None
    key_id, algorithm = entry.get("kid"), entry.get("alg")
    try:
        key = jwt.PyJWK(entry).key
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    if isinstance(key, RSAPublicKey) and key.key_size < SMALLEST_RSA:
        return None
    return IssuerKey(
        id=key_id if isinstance(key_id, str) else None,
        kind=kind,
        algorithm=algorithm if isinstance(algorithm, str) else None,
        key=key,
    )
