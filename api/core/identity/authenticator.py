"""One identity for all dialects: who makes a request, whatever credential it carries."""

from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

import structlog
from starlette.datastructures import Headers, QueryParams

from polyfleet.api.core.call import current
from polyfleet.api.core.errors import Forbidden, Unauthenticated, from_api_error
from polyfleet.api.core.identity import access_tokens
from polyfleet.api.core.identity.clock import Clock, Monotonic, monotonic_clock, wall_clock
from polyfleet.api.core.identity.credentials import Basic, Bearer, Credential, credential_of
from polyfleet.api.core.identity.device_tokens import DeviceTokens
from polyfleet.api.core.identity.directory import Accounts, Directory, covered, principal_of
from polyfleet.api.core.identity.endpoint_tokens import EndpointTokens
from polyfleet.api.core.identity.foreign import principal_of_foreigner
from polyfleet.api.core.identity.introspection import Introspection
from polyfleet.api.core.identity.limits import Limits
from polyfleet.api.core.identity.login import IssuedToken, Login
from polyfleet.api.core.identity.login_tokens import LoginTokens
from polyfleet.api.core.identity.oidc import OidcTokens
from polyfleet.api.core.identity.password_hashes import PasswordHashes
from polyfleet.api.core.identity.passwords import Passwords
from polyfleet.api.core.identity.signed_tokens import ISSUERS, REFUSAL, unverified_claims
from polyfleet.api.core.identity.signing_keys import Purpose, SigningKeys
from polyfleet.api.core.identity.token_review import TokenReviews
from polyfleet.api.core.identity.user_tokens import UserTokens
from polyfleet.api.core.identity.web import open_session
from polyfleet.api.settings import Settings
from polyfleet.fleet.objects.application import Application
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.user import User
from polyfleet.fleet.rights import Principal, Right, allowed
from polyfleet.kube.client import Client
from polyfleet.kube.errors import ApiError
from polyfleet.kube.store import Store

ANYONE = Principal(
    kind="user", name="anyone", uid="insecure:anyone", administrator=True, source="insecure"
)
"""Who every caller is in the insecure mode."""

_log = structlog.get_logger(__name__)


class Fleet(Accounts, Protocol):
    """The part of the cache that identity reads."""

    @property
    def devices(self) -> Store[Device]:
        """All devices."""


@dataclass(frozen=True, slots=True)
class DevicePrincipal:
    """A device that proved who it is."""

    device: Device

    @property
    def principal(self) -> Principal:
        """The device as a principal."""
        metadata, spec = self.device.metadata, self.device.spec
        return Principal(
            kind="device",
            name=spec.device_id,
            uid=metadata.uid,
            device=(spec.application, metadata.uid),
            source="device token",
        )


class Identity(AbstractAsyncContextManager["Identity"]):
    """Tells who calls, and makes the tokens by which they can be told again.

    An async context manager; the cache's stores need not be filled yet.
    """

    def __init__(
        self,
        settings: Settings,
        client: Client,
        cache: Fleet,
        keys: SigningKeys,
        *,
        clock: Clock = wall_clock,
        monotonic: Monotonic = monotonic_clock,
    ) -> None:
        """Look people and devices up in `cache`; `keys` must have been read."""
        section = settings.identity
        self.insecure = settings.insecure
        self.keys = keys
        self.directory = Directory(cache, clock=clock)
        self.hashes = PasswordHashes(client)
        self.limits = Limits(section.limits, monotonic=monotonic)
        self.passwords = Passwords(
            self.hashes,
            self.directory,
            self.limits,
            memory=section.password_memory,
            monotonic=monotonic,
        )
        self.device_tokens = DeviceTokens(
            keys, lifetime=section.device_token_lifetime, clock=clock, monotonic=monotonic
        )
        self.endpoint_tokens = EndpointTokens(cache.devices, self.limits, monotonic=monotonic)
        self.user_tokens = UserTokens(
            keys, lifetime=section.user_token_lifetime, clock=clock, monotonic=monotonic
        )
        self.login_tokens = LoginTokens(keys, cache.users)
        self._settings = section
        self._clock = clock
        self._monotonic = monotonic
        self._devices = cache.devices
        self._default_application = settings.default_application
        self._reviews = TokenReviews(
            section.token_review,
            client,
            self.limits,
            administrator_scope=section.administrator_scope,
            monotonic=monotonic,
        )
        self._oidc: OidcTokens | None = None
        self._introspection: Introspection | None = None
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        oidc, introspection = self._settings.oidc, self._settings.introspection
        if oidc is not None or introspection is not None:
            session = await self._stack.enter_async_context(open_session())
            if oidc is not None:
                self._oidc = OidcTokens(oidc, session, clock=self._clock, monotonic=self._monotonic)
            if introspection is not None:
                self._introspection = Introspection(
                    introspection,
                    session,
                    self.limits,
                    clock=self._clock,
                    monotonic=self._monotonic,
                )
        if self.insecure:
            _log.warning("insecure mode: every caller is an administrator")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    async def authenticate_management(
        self, headers: Headers, query: QueryParams | None = None
    ) -> Principal:
        """Return the person or program that makes a request.

        `query` is given only where a dialect takes credentials from there. Raises
        Unauthenticated, RateLimited and Unavailable.
        """
        call = current()
        call.management = True
        if self.insecure:
            call.principal = ANYONE
            return ANYONE
        credential = credential_of(headers, query)
        if credential is None:
            raise Unauthenticated("credentials are needed")
        return await self.principal(credential)

    async def principal(self, credential: Credential) -> Principal:
        """Return whose credential it is; errors as for `authenticate_management`."""
        call = current()
        call.management = True
        if isinstance(credential, Basic):
            login = await self.log_in(credential.user, credential.secret)
            principal = _principal_of(login)
        else:
            try:
                principal = await self._bearer(credential.token)
            except Unauthenticated:
                self.limits.mistake(call.address)
                raise
        call.principal = principal
        self.limits.count(principal)
        return principal

    async def authenticate_device(self, token: str) -> DevicePrincipal:
        """Return the device that a token was issued to, as it is now. Raises Unauthenticated."""
        device = self._devices.by_uid(await self.device_tokens.device_uid(token))
        if device is None or device.spec.disabled or device.metadata.terminating:
            raise Unauthenticated(REFUSAL)
        return DevicePrincipal(device)

    async def authenticate_device_request(
        self, headers: Headers, query: QueryParams | None = None
    ) -> DevicePrincipal:
        """Return the device that makes a request with its token. Raises Unauthenticated."""
        credential = credential_of(headers, query)
        if not isinstance(credential, Bearer):
            raise Unauthenticated("a device token is needed")
        return await self.authenticate_device(credential.token)

    def issue_device_token(self, device: Device) -> str:
        """Return a token for a device that has just proved who it is."""
        return self.device_tokens.issue(device)

    async def log_in(self, name: str, secret: str) -> Login:
        """Return the user of a name and a password, or of a name and an access token.

        An access token also goes with its own prefix as the name. Raises Unauthenticated,
        RateLimited and Unavailable.
        """
        call = current()
        call.management = True
        try:
            login = await self._log_in(name, secret)
        except Unauthenticated:
            self.limits.mistake(call.address)
            raise
        call.principal = _principal_of(login)
        return login

    def issue_user_token(self, login: Login, *, scopes: Iterable[str] | None = None) -> IssuedToken:
        """Return a token for a login, narrowed further to `scopes` unless that is None."""
        granted = login.granted(scopes)
        shown = principal_of(login.user, source="", narrowed_to=granted).scopes
        text = self.user_tokens.issue(
            login.user, scopes=granted, access_token=login.access_token, shown_roles=shown
        )
        return IssuedToken(text, self.user_tokens.lifetime, shown)

    async def set_password(self, user: User, password: str) -> None:
        """Change a user's password. Raises Invalid, and what the API server makes of it.

        Other replicas may believe the old one for as long as they remember it.
        """
        try:
            await self.hashes.store(user, password)
        except ApiError as error:
            raise from_api_error(error) from error
        self.passwords.forget()

    def require(self, principal: Principal, right: Right, application: Application) -> None:
        """Raise Forbidden unless the principal has the right in the application."""
        if not self.allows(principal, right, application):
            raise Forbidden("the caller lacks the right to do this")

    def allows(self, principal: Principal, right: Right, application: Application) -> bool:
        """Return whether the principal has the right in the application."""
        return allowed(principal, right, application, default_application=self._default_application)

    async def _log_in(self, name: str, secret: str) -> Login:
        if not access_tokens.looks_like_one(secret):
            try:
                return Login(await self.passwords.verify(name, secret))
            except ApiError as error:
                raise from_api_error(error) from error
        found = self.directory.access_token(secret)
        if found is None or name not in (found[0].spec.name, found[1].spec.prefix):
            raise Unauthenticated(REFUSAL)
        return Login(*found)

    async def _bearer(self, token: str) -> Principal:
        if access_tokens.looks_like_one(token):
            found = self.directory.access_token(token)
            if found is None:
                raise Unauthenticated(REFUSAL)
            return principal_of(found[0], source="access token", narrowed_to=found[1].spec.scopes)
        person = self._person(token)
        if person is not None:
            return principal_of(person, source="login token")
        claims = unverified_claims(token)
        issuer = None if claims is None else claims.get("iss")
        if issuer == ISSUERS[Purpose.USER_TOKENS]:
            return await self._own(token)
        if issuer == ISSUERS[Purpose.DEVICE_TOKENS]:
            raise Unauthenticated(REFUSAL)
        return await self._foreign(token, claims)

    def _person(self, token: str) -> User | None:
        uid = self.login_tokens.user_uid(token)
        return None if uid is None else self.directory.user_by_uid(uid)

    async def _own(self, token: str) -> Principal:
        claims = await self.user_tokens.read(token)
        user = self.directory.user_by_uid(claims.user_uid)
        parent = claims.access_token_uid
        if user is None or (
            parent is not None and self.directory.access_token_by_uid(parent) is None
        ):
            raise Unauthenticated(REFUSAL)
        return principal_of(user, source="user token", narrowed_to=claims.scopes)

    async def _foreign(self, token: str, claims: dict[str, Any] | None) -> Principal:
        if self._oidc is not None and claims and claims.get("iss") == self._oidc.issuer:
            foreigner = await self._oidc.read(token)
        elif claims and self._reviews.may_know(claims):
            return await self._reviews.read(token)
        elif self._introspection is not None:
            foreigner = await self._introspection.read(token)
        else:
            raise Unauthenticated(REFUSAL)
        return principal_of_foreigner(
            foreigner, self.directory, administrator_scope=self._settings.administrator_scope
        )


def _principal_of(login: Login) -> Principal:
    source = "password" if login.access_token is None else "access token"
    return principal_of(login.user, source=source, narrowed_to=login.scopes)


def require_scope(principal: Principal, scope: str) -> None:
    """Raise Forbidden unless the principal has a scope or is an administrator."""
    if not principal.administrator and scope not in covered(principal.scopes):
        raise Forbidden("the caller lacks a scope")
