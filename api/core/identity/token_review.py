"""Service accounts of the cluster: their tokens are shown to the API server."""

import asyncio
from collections.abc import Mapping
from typing import Any

from polyfleet.api.core.call import current
from polyfleet.api.core.errors import Unauthenticated, Unavailable
from polyfleet.api.core.identity.clock import Monotonic, monotonic_clock
from polyfleet.api.core.identity.limits import Limits
from polyfleet.api.core.identity.memo import Memo
from polyfleet.api.core.identity.settings import TokenReviewSettings
from polyfleet.api.core.identity.signed_tokens import REFUSAL
from polyfleet.fleet.rights import Principal
from polyfleet.kube.client import Client
from polyfleet.kube.errors import ApiError
from polyfleet.kube.resources import TOKEN_REVIEWS

SOURCE = "serviceaccount"
AT_ONCE = 4
REMEMBERED = 1_024

_PREFIX = "system:serviceaccount:"


class TokenReviews:
    """Lets in the service accounts that the settings name, with the scopes given there."""

    def __init__(
        self,
        settings: TokenReviewSettings,
        client: Client,
        limits: Limits,
        *,
        administrator_scope: str | None,
        monotonic: Monotonic = monotonic_clock,
    ) -> None:
        """Ask through `client`, which needs the right to create TokenReviews."""
        self._settings = settings
        self._client = client
        self._limits = limits
        self._administrator_scope = administrator_scope
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._memo: Memo[Principal] = Memo(
            lifetime=settings.cache_seconds, capacity=REMEMBERED, monotonic=monotonic
        )

    def may_know(self, claims: Mapping[str, Any]) -> bool:
        """Return whether a token's claims say that it is for us, and so worth asking about."""
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        return bool(self._settings.accounts) and self._settings.audience in audiences

    async def read(self, token: str) -> Principal:
        """Return the service account that bears a token.

        Raises Unauthenticated, RateLimited (the address was wrong too often), and Unavailable if
        the API server does not answer.
        """
        key = self._memo.key(token)
        known = self._memo.get(key)
        if known is None:
            self._limits.admit(current().address)
            known = await self._review(token)
            self._memo.put(key, known)
        return known

    async def _review(self, token: str) -> Principal:
        body = {"spec": {"token": token, "audiences": [self._settings.audience]}}
        try:
            async with self._turns:
                review = await self._client.create_document(TOKEN_REVIEWS, body)
        except ApiError as error:
            raise Unavailable("the API server does not review tokens", 10.0) from error
        status = review.get("status") or {}
        user = status.get("user") or {}
        account = str(user.get("username", "")).removeprefix(_PREFIX)
        scopes = self._settings.accounts.get(account)
        if (
            status.get("authenticated") is not True
            or self._settings.audience not in (status.get("audiences") or ())
            or not str(user.get("username", "")).startswith(_PREFIX)
            or scopes is None
        ):
            raise Unauthenticated(REFUSAL)
        return Principal(
            kind="user",
            name=str(user["username"]),
            uid=f"{SOURCE}:{account}:{user.get('uid', '')}",
            scopes=frozenset(scopes),
            administrator=self._administrator_scope is not None
            and self._administrator_scope in scopes,
            source=SOURCE,
        )
