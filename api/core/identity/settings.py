"""Settings of identity: who may call, and how callers prove it."""

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr
from pydantic_settings import NoDecode

_LOOPBACK = ("127.0.0.1", "::1", "localhost")

Algorithm = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"
]


def _secure_url(value: str) -> str:
    """Refuse an address over which keys or secrets would travel in the clear."""
    parts = urlsplit(value)
    plain = parts.scheme == "http" and parts.hostname in _LOOPBACK
    if not parts.hostname or (parts.scheme != "https" and not plain):
        raise ValueError("must be an https:// address (http:// only on the loopback interface)")
    return value


def _split(value: object) -> object:
    """Read a list as an environment variable has it: separated by commas."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


SecureUrl = Annotated[str, AfterValidator(_secure_url)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class OidcSettings(_Section):
    """An OpenID Connect issuer whose access tokens are taken."""

    issuer: SecureUrl
    """Its address, as its tokens name it; its keys are found from there."""
    audiences: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)] = Field(min_length=1)
    """A token must be meant for one of these."""
    algorithms: Annotated[tuple[Algorithm, ...], NoDecode, BeforeValidator(_split)] = Field(
        default=("RS256", "PS256", "ES256"), min_length=1
    )
    """How its tokens may be signed."""
    leeway: float = Field(default=30.0, ge=0, le=300)
    """Seconds by which the issuer's clock may differ from ours."""
    username_claim: str | None = None
    """Claim that names a User. Absent: a User is found by its `spec.subjects` alone."""
    keys_lifetime: float = Field(default=600.0, ge=10)
    """Seconds after which the issuer's keys are fetched anew."""
    timeout: float = Field(default=5.0, gt=0)
    """Seconds that one request to the issuer may take."""


class IntrospectionSettings(_Section):
    """An RFC 7662 endpoint that is asked about tokens which nobody else knows."""

    url: SecureUrl
    """Where to ask."""
    client_id: str
    """Who we are to it."""
    client_secret: SecretStr
    """The secret that belongs to it."""
    cache_seconds: float = Field(default=30.0, ge=0, le=60)
    """For how long an answer is believed: a revoked token may live on for this long."""
    timeout: float = Field(default=5.0, gt=0)
    """Seconds that one question may take."""


class TokenReviewSettings(_Section):
    """Service accounts of the cluster that may call, each with its scopes."""

    accounts: dict[str, tuple[str, ...]] = {}
    """Scopes by `<namespace>:<service account>`, in the environment as JSON.

    Empty: the API server is never asked.
    """
    audience: str = Field(default="polyfleet", min_length=1)
    """Whom a service account's token must be meant for."""
    cache_seconds: float = Field(default=30.0, ge=0, le=60)
    """For how long an answer of the API server is believed."""


class LimitSettings(_Section):
    """How much one replica takes from one caller: a burst, then so many a second."""

    calls_burst: int = Field(default=10_000, ge=1)
    """Management calls of one user or program without a pause."""
    calls_per_second: float = Field(default=2_000.0, gt=0)
    """Management calls of one user or program a second, once the burst is spent."""
    mistakes_burst: int = Field(default=100, ge=1)
    """Credentials that do not hold, from one address, without a pause."""
    mistakes_per_second: float = Field(default=1.0, gt=0)
    """Such mistakes of one address a second, once the burst is spent."""


class IdentitySettings(_Section):
    """All of the section `POLYFLEET_IDENTITY__…`."""

    device_token_lifetime: int = Field(default=300, ge=10, le=86_400)
    """How long the token holds that a device gets for its signature, in seconds."""
    user_token_lifetime: int = Field(default=3600, ge=60, le=86_400)
    """How long a token of our own token endpoint holds, in seconds."""
    password_memory: float = Field(default=60.0, ge=0, le=300)
    """Seconds for which a person's password that was right need not be hashed again."""
    administrator_scope: str | None = None
    """Scope or role of a foreign token that makes its bearer an administrator."""
    oidc: OidcSettings | None = None
    """An issuer whose tokens are taken; absent: none."""
    introspection: IntrospectionSettings | None = None
    """An endpoint that is asked about tokens; absent: none."""
    token_review: TokenReviewSettings = TokenReviewSettings()
    """Service accounts that may call."""
    limits: LimitSettings = LimitSettings()
    """How much one caller may ask for."""
