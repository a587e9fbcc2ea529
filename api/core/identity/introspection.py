"""Asks an RFC 7662 endpoint about tokens that nobody here knows."""

import asyncio
import base64
from typing import Any, TypeGuard
from urllib.parse import quote_plus

import aiohttp

from polyfleet.api.core.call import current
from polyfleet.api.core.errors import Unauthenticated, Unavailable
from polyfleet.api.core.identity.clock import Clock, Monotonic, monotonic_clock
from polyfleet.api.core.identity.foreign import Foreigner, scopes_of
from polyfleet.api.core.identity.limits import Limits
from polyfleet.api.core.identity.memo import Memo
from polyfleet.api.core.identity.settings import IntrospectionSettings
from polyfleet.api.core.identity.signed_tokens import REFUSAL
from polyfleet.api.core.identity.web import Unreachable, fetch_json

SOURCE = "introspection"
AT_ONCE = 16
QUEUE = 128
REFUSAL_SECONDS = 5.0
REMEMBERED = 4_096


class Introspection:
    """Believes the endpoint's word for a short while; without its word nobody gets in."""

    def __init__(
        self,
        settings: IntrospectionSettings,
        session: aiohttp.ClientSession,
        limits: Limits,
        *,
        clock: Clock,
        monotonic: Monotonic = monotonic_clock,
    ) -> None:
        """Ask the endpoint that the settings name."""
        self._settings = settings
        self._session = session
        self._limits = limits
        self._clock = clock
        self._authorization = _basic(settings.client_id, settings.client_secret.get_secret_value())
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0
        self._memo: Memo[Foreigner] = Memo(
            lifetime=settings.cache_seconds,
            capacity=REMEMBERED,
            clock=clock,
            monotonic=monotonic,
        )
        self._refused: Memo[bool] = Memo(
            lifetime=min(REFUSAL_SECONDS, settings.cache_seconds),
            capacity=REMEMBERED,
            monotonic=monotonic,
        )

    async def read(self, token: str) -> Foreigner:
        """Return who bears a token.

        Raises Unauthenticated, RateLimited (the address was wrong too often), and Unavailable if
        the endpoint does not answer or too many ask.
        """
        key = self._memo.key(token)
        known = self._memo.get(key)
        if known is not None:
            return known
        refused_key = self._refused.key(token)
        if self._refused.get(refused_key):
            raise Unauthenticated(REFUSAL)
        self._limits.admit(current().address)
        answer = await self._ask(token)
        try:
            known = self._foreigner(answer)
        except Unauthenticated:
            self._refused.put(refused_key, value=True)
            raise
        self._memo.put(key, known, until=known.ends)
        return known

    async def _ask(self, token: str) -> dict[str, Any]:
        if self._waiting >= QUEUE:
            raise Unavailable("too many tokens are being checked", 1.0)
        self._waiting += 1
        try:
            async with self._turns:
                return await fetch_json(
                    self._session,
                    self._settings.url,
                    timeout=self._settings.timeout,
                    form={"token": token, "token_type_hint": "access_token"},
                    authorization=self._authorization,
                )
        except Unreachable as error:
            raise Unavailable("the identity provider does not answer", 10.0) from error
        finally:
            self._waiting -= 1

    def _foreigner(self, answer: dict[str, Any]) -> Foreigner:
        subject = answer.get("sub") or answer.get("client_id")
        if answer.get("active") is not True or not isinstance(subject, str):
            raise Unauthenticated(REFUSAL)
        issuer, ends = answer.get("iss"), answer.get("exp")
        now = self._clock().timestamp()
        begins = answer.get("nbf")
        if (_is_number(ends) and ends <= now) or (_is_number(begins) and begins > now):
            raise Unauthenticated(REFUSAL)
        return Foreigner(
            source=SOURCE,
            issuer=issuer if isinstance(issuer, str) else self._settings.url,
            subject=subject,
            scopes=scopes_of(answer),
            ends=float(ends) if _is_number(ends) else None,
        )


def _basic(client_id: str, client_secret: str) -> str:
    # RFC 6749, 2.3.1: both are form-encoded before they are joined.
    pair = f"{quote_plus(client_id)}:{quote_plus(client_secret)}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
