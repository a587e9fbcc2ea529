import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import ValidationError
from starlette.datastructures import Headers

from polyfleet.api.core.errors import Unauthenticated, Unavailable
from polyfleet.api.core.identity.authenticator import Identity
from polyfleet.api.core.identity.oidc import OidcTokens
from polyfleet.api.core.identity.settings import OidcSettings
from polyfleet.api.core.identity.web import open_session
from tests.api.identity.conftest import HandClock, People, StartIdentity
from tests.api.identity.issuer import AUDIENCE, Issuer, PrivateKey

StartOidc = Callable[..., OidcTokens]


@pytest.fixture
async def start_oidc(issuer: Issuer, clock: HandClock) -> AsyncIterator[StartOidc]:
    async with open_session() as session:

        def start(**changes: Any) -> OidcTokens:
            values = {"issuer": issuer.url, "audiences": (AUDIENCE,), **changes}
            return OidcTokens(
                OidcSettings(**values), session, clock=clock, monotonic=clock.monotonic
            )

        yield start


@pytest.fixture
def tokens(start_oidc: StartOidc) -> OidcTokens:
    return start_oidc()


async def refused(tokens: OidcTokens, token: str) -> None:
    with pytest.raises(Unauthenticated):
        await tokens.read(token)


@pytest.mark.parametrize("algorithm", ["RS256", "PS256"])
async def test_an_rsa_token_is_taken(tokens: OidcTokens, issuer: Issuer, algorithm: str) -> None:
    found = await tokens.read(issuer.token("rsa", algorithm))
    assert found.subject == "subject-1"


async def test_an_elliptic_curve_token_is_taken(tokens: OidcTokens, issuer: Issuer) -> None:
    assert (await tokens.read(issuer.token("ec", "ES256"))).subject == "subject-1"


async def test_scopes_come_from_the_text_and_from_the_realms_roles(
    tokens: OidcTokens, issuer: Issuer
) -> None:
    token = issuer.token(scope="rdfm_admin_ro other", realm_access={"roles": ["rdfm_admin_rw"]})
    assert (await tokens.read(token)).scopes == {"rdfm_admin_ro", "other", "rdfm_admin_rw"}


async def test_scopes_may_be_a_list(tokens: OidcTokens, issuer: Issuer) -> None:
    assert (await tokens.read(issuer.token(scope=["a", "b", 3]))).scopes == {"a", "b"}


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": 1},
        {"exp": int(time.time()) - 60},
        {"nbf": int(time.time()) + 86_400},
        {"iat": int(time.time()) + 86_400},
        {"aud": "somebody else"},
        {"aud": [AUDIENCE + "x"]},
        {"iss": "https://elsewhere.example"},
        {"sub": 7},
        {"exp": "soon"},
    ],
    ids=" ".join,
)
async def test_a_token_with_a_wrong_claim_is_refused(
    tokens: OidcTokens, issuer: Issuer, claims: dict[str, Any]
) -> None:
    await refused(tokens, issuer.token(**claims))


@pytest.mark.parametrize("missing", ["exp", "aud", "iss", "sub"])
async def test_a_token_that_lacks_a_claim_is_refused(
    tokens: OidcTokens, issuer: Issuer, missing: str
) -> None:
    await refused(tokens, issuer.token(without=(missing,)))


async def test_clocks_may_differ_by_the_leeway(start_oidc: StartOidc, issuer: Issuer) -> None:
    late = issuer.token(exp=int(time.time()) - 20)
    assert (await start_oidc(leeway=120).read(late)).subject == "subject-1"
    await refused(start_oidc(leeway=0), late)


async def test_an_unsigned_token_is_refused(tokens: OidcTokens, issuer: Issuer) -> None:
    claims = {"iss": issuer.url, "aud": AUDIENCE, "sub": "s", "exp": int(time.time()) + 60}
    await refused(tokens, jwt.encode(claims, None, algorithm="none", headers={"kid": "rsa"}))


@pytest.mark.parametrize("header", ["RS256", "HS256"])
async def test_the_public_key_is_no_shared_secret(
    tokens: OidcTokens, issuer: Issuer, issuer_keys: dict[str, PrivateKey], header: str
) -> None:
    public = (
        issuer_keys["rsa"]
        .public_key()
        .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )

    # The library refuses to sign so, hence by hand: HMAC with the public key as the secret.
    def encoded(value: object) -> bytes:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")

    claims = {"iss": issuer.url, "aud": AUDIENCE, "sub": "s", "exp": int(time.time()) + 60}
    signed = encoded({"alg": header, "kid": "rsa"}) + b"." + encoded(claims)
    signature = hmac.new(public, signed, hashlib.sha256).digest()
    token = signed + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")
    await refused(tokens, token.decode())


async def test_another_key_under_a_known_id_is_refused(
    tokens: OidcTokens, issuer: Issuer, other_key: RSAPrivateKey
) -> None:
    await refused(tokens, issuer.token("rsa", key=other_key))


async def test_the_key_of_one_kind_is_not_used_for_another_algorithm(
    tokens: OidcTokens, issuer: Issuer
) -> None:
    await refused(tokens, issuer.token("ec", "ES256", headers={"kid": "rsa"}))
    await refused(tokens, issuer.token("rsa", "RS256", headers={"kid": "ec"}))


async def test_an_algorithm_that_is_not_pinned_is_refused(
    start_oidc: StartOidc, issuer: Issuer
) -> None:
    tokens = start_oidc(algorithms=("ES256",))
    await refused(tokens, issuer.token("rsa", "RS256"))
    assert issuer.key_requests == 0, "nobody was asked for the keys"


async def test_a_new_key_of_the_issuer_is_found(
    tokens: OidcTokens, issuer: Issuer, other_key: RSAPrivateKey, clock: HandClock
) -> None:
    await tokens.read(issuer.token())
    issuer.keys["new"] = other_key
    clock.set_back(3600)  # it makes no pause longer
    clock.advance(10)
    assert (await tokens.read(issuer.token("new"))).subject == "subject-1"


async def test_a_withdrawn_key_is_believed_until_the_keys_are_fetched_anew(
    tokens: OidcTokens, issuer: Issuer, clock: HandClock
) -> None:
    token = issuer.token("ec", "ES256")
    await tokens.read(token)
    del issuer.keys["ec"]
    clock.advance(600)
    await tokens.read(issuer.token())
    await refused(tokens, token)


async def test_a_flood_of_unknown_key_ids_asks_the_issuer_once_in_ten_seconds(
    tokens: OidcTokens, issuer: Issuer, other_key: RSAPrivateKey, clock: HandClock
) -> None:
    await tokens.read(issuer.token())
    for number in range(50):
        await refused(tokens, issuer.token(f"unknown-{number}", key=other_key))
    assert issuer.key_requests == 1
    clock.advance(10)
    for number in range(50):
        await refused(tokens, issuer.token(f"unknown-{number}", key=other_key))
    assert issuer.key_requests == 2


async def test_a_token_without_a_key_id_is_taken_only_if_there_is_one_key(
    tokens: OidcTokens, issuer: Issuer, clock: HandClock
) -> None:
    token = issuer.token(headers={"kid": None})
    await refused(tokens, token)
    del issuer.keys["ec"]
    clock.advance(10)
    assert (await tokens.read(token)).subject == "subject-1"


async def test_the_keys_serve_on_while_the_issuer_is_away_but_not_for_ever(
    tokens: OidcTokens, issuer: Issuer, clock: HandClock
) -> None:
    await tokens.read(issuer.token())
    issuer.away = True
    clock.advance(1800)
    await tokens.read(issuer.token(jti="another"))
    clock.advance(1800)
    with pytest.raises(Unavailable):
        await tokens.read(issuer.token(jti="a third"))


async def test_an_issuer_that_is_away_from_the_start_lets_nobody_in(
    tokens: OidcTokens, issuer: Issuer
) -> None:
    issuer.away = True
    with pytest.raises(Unavailable):
        await tokens.read(issuer.token())


async def test_a_discovery_document_of_another_issuer_is_not_believed(
    tokens: OidcTokens, issuer: Issuer
) -> None:
    issuer.claimed_issuer = "https://elsewhere.example"
    with pytest.raises(Unavailable):
        await tokens.read(issuer.token())


async def test_keys_are_not_fetched_over_plain_http_from_afar(
    tokens: OidcTokens, issuer: Issuer
) -> None:
    issuer.keys_url = "http://keys.example/keys"
    with pytest.raises(Unavailable):
        await tokens.read(issuer.token())


async def test_a_small_rsa_key_of_the_issuer_is_not_used(
    tokens: OidcTokens, issuer: Issuer
) -> None:
    issuer.keys["rsa"] = rsa.generate_private_key(65537, 1024)  # noqa: S505 - that is the point
    with pytest.warns(jwt.warnings.InsecureKeyLengthWarning):
        token = issuer.token()
    await refused(tokens, token)


@pytest.mark.parametrize("url", ["http://issuer.example", "ftp://issuer.example", "issuer", ""])
def test_an_issuer_without_https_is_no_setting(url: str) -> None:
    with pytest.raises(ValidationError):
        OidcSettings(issuer=url, audiences=("a",))


def test_a_symmetric_algorithm_is_no_setting() -> None:
    with pytest.raises(ValidationError):
        OidcSettings(issuer="https://issuer.example", audiences=("a",), algorithms=("HS256",))


def test_an_issuer_without_audience_is_no_setting() -> None:
    with pytest.raises(ValidationError):
        OidcSettings(issuer="https://issuer.example", audiences=())


def bearer(token: str) -> Headers:
    return Headers({"authorization": f"Bearer {token}"})


def settings(issuer: Issuer, **changes: Any) -> dict[str, Any]:
    return {"oidc": {"issuer": issuer.url, "audiences": (AUDIENCE,), **changes}}


async def test_a_token_of_a_stranger_has_its_scopes_and_no_user(
    start_identity: StartIdentity, issuer: Issuer
) -> None:
    async with start_identity(identity=settings(issuer)) as identity:
        found = await identity.authenticate_management(bearer(issuer.token(scope="rdfm_admin_ro")))
    assert found.scopes == {"rdfm_admin_ro"}
    assert found.uid == f"oidc:{issuer.url}#subject-1"
    assert not found.administrator


async def test_a_user_that_lists_the_subject_is_the_bearer(
    start_identity: StartIdentity, issuer: Issuer, people: People
) -> None:
    user = await people.user(
        "ada", subjects=[f"{issuer.url}#subject-1"], scopes=["rdfm_admin_ro"], administrator=True
    )
    async with start_identity(identity=settings(issuer)) as identity:
        found = await identity.authenticate_management(bearer(issuer.token(scope="extra")))
    assert found.uid == user.metadata.uid
    assert found.scopes == {"rdfm_admin_ro", "extra"}
    assert found.administrator


async def test_a_disabled_user_does_not_come_in_by_the_issuer(
    start_identity: StartIdentity, issuer: Issuer, people: People
) -> None:
    await people.user("ada", subjects=[f"{issuer.url}#subject-1"], disabled=True)
    async with start_identity(identity=settings(issuer)) as identity:
        with pytest.raises(Unauthenticated):
            await identity.authenticate_management(bearer(issuer.token(scope="rdfm_admin_rw")))


async def test_a_subject_that_two_users_list_is_nobody(
    start_identity: StartIdentity, issuer: Issuer, people: People
) -> None:
    for name in ("ada", "bob"):
        await people.user(name, subjects=[f"{issuer.url}#subject-1"])
    async with start_identity(identity=settings(issuer)) as identity:
        with pytest.raises(Unauthenticated):
            await identity.authenticate_management(bearer(issuer.token()))


async def test_a_claim_names_the_user_only_where_the_setting_says_so(
    start_identity: StartIdentity, issuer: Issuer, people: People
) -> None:
    user = await people.user("ada")
    token = issuer.token(preferred_username="ada")
    async with start_identity(identity=settings(issuer)) as identity:
        assert (await identity.authenticate_management(bearer(token))).uid != user.metadata.uid
    by_name = settings(issuer, username_claim="preferred_username")
    async with start_identity(identity=by_name) as identity:
        assert (await identity.authenticate_management(bearer(token))).uid == user.metadata.uid


async def test_a_role_makes_administrators_only_where_the_setting_says_so(
    start_identity: StartIdentity, issuer: Issuer
) -> None:
    token = issuer.token(realm_access={"roles": ["fleet-admin"]})
    async with start_identity(identity=settings(issuer)) as identity:
        assert not (await identity.authenticate_management(bearer(token))).administrator
    section = {**settings(issuer), "administrator_scope": "fleet-admin"}
    async with start_identity(identity=section) as identity:
        assert (await identity.authenticate_management(bearer(token))).administrator


async def test_a_foreign_token_is_refused_while_no_issuer_is_set(
    identity: Identity, issuer: Issuer
) -> None:
    with pytest.raises(Unauthenticated):
        await identity.authenticate_management(bearer(issuer.token()))
    assert issuer.key_requests == 0
