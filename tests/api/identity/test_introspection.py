import time
from typing import Any

import pytest
from starlette.datastructures import Headers

from polyfleet.api.core.errors import Unauthenticated, Unavailable
from polyfleet.api.core.identity import access_tokens
from polyfleet.api.core.identity.authenticator import Identity
from polyfleet.fleet.rights import Principal
from tests.api.identity.conftest import HandClock, People, StartIdentity
from tests.api.identity.issuer import CLIENT_ID, CLIENT_SECRET, Issuer

OPAQUE = "opaque-token"
GOOD = {"active": True, "sub": "subject-1", "scope": "rdfm_admin_ro"}


def section(issuer: Issuer, **changes: Any) -> dict[str, Any]:
    values = {
        "url": f"{issuer.url}/introspect",
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
    }
    return {"introspection": {**values, **changes}}


async def ask(identity: Identity, token: str = OPAQUE) -> Principal:
    headers = Headers({"authorization": f"Bearer token={token}"})
    return await identity.authenticate_management(headers)


async def test_an_active_token_has_its_scopes_and_roles(
    start_identity: StartIdentity, issuer: Issuer
) -> None:
    issuer.known_tokens["opaque-token"] = {**GOOD, "realm_access": {"roles": ["rdfm_admin_rw"]}}
    async with start_identity(identity=section(issuer)) as identity:
        found = await ask(identity)
    assert found.scopes == {"rdfm_admin_ro", "rdfm_admin_rw"}
    assert found.name == "subject-1"


@pytest.mark.parametrize(
    "answer",
    [
        {"active": False},
        {**GOOD, "active": False},
        {**GOOD, "active": "true"},
        {**GOOD, "active": 1},
        {"sub": "subject-1", "scope": "rdfm_admin_rw"},
        {"active": True, "scope": "rdfm_admin_rw"},
        {**GOOD, "exp": 1},
        {**GOOD, "nbf": time.time() + 86_400},
    ],
    ids=" ".join,
)
async def test_a_token_that_the_endpoint_does_not_vouch_for_is_refused(
    start_identity: StartIdentity, issuer: Issuer, answer: dict[str, Any]
) -> None:
    issuer.known_tokens["opaque-token"] = answer
    async with start_identity(identity=section(issuer)) as identity:
        with pytest.raises(Unauthenticated):
            await ask(identity)


async def test_an_answer_is_believed_for_a_while_and_then_asked_for_again(
    start_identity: StartIdentity, issuer: Issuer, clock: HandClock
) -> None:
    issuer.known_tokens["opaque-token"] = GOOD
    async with start_identity(identity=section(issuer)) as identity:
        for _ in range(5):
            await ask(identity)
        assert issuer.introspections == 1
        issuer.known_tokens.clear()
        clock.advance(30)
        with pytest.raises(Unauthenticated):
            await ask(identity)


async def test_an_answer_is_not_believed_past_the_end_of_the_token(
    start_identity: StartIdentity, issuer: Issuer, clock: HandClock
) -> None:
    issuer.known_tokens["opaque-token"] = {**GOOD, "exp": clock().timestamp() + 10}
    async with start_identity(identity=section(issuer)) as identity:
        await ask(identity)
        clock.advance(10)
        with pytest.raises(Unauthenticated):
            await ask(identity)


async def test_a_refusal_is_remembered_for_a_moment(
    start_identity: StartIdentity, issuer: Issuer, clock: HandClock
) -> None:
    async with start_identity(identity=section(issuer)) as identity:
        for _ in range(5):
            with pytest.raises(Unauthenticated):
                await ask(identity)
        assert issuer.introspections == 1
        issuer.known_tokens["opaque-token"] = GOOD
        clock.advance(5)
        await ask(identity)


async def test_no_answer_lets_nobody_in(start_identity: StartIdentity, issuer: Issuer) -> None:
    issuer.known_tokens["opaque-token"] = GOOD
    issuer.away = True
    async with start_identity(identity=section(issuer)) as identity:
        with pytest.raises(Unavailable):
            await ask(identity)


async def test_an_endpoint_that_nobody_serves_lets_nobody_in(
    start_identity: StartIdentity, issuer: Issuer
) -> None:
    async with start_identity(identity=section(issuer, url="http://127.0.0.1:9/x")) as identity:
        with pytest.raises(Unavailable):
            await ask(identity)


async def test_a_wrong_client_secret_lets_nobody_in(
    start_identity: StartIdentity, issuer: Issuer
) -> None:
    issuer.known_tokens["opaque-token"] = GOOD
    async with start_identity(identity=section(issuer, client_secret="wrong")) as identity:
        with pytest.raises(Unavailable):
            await ask(identity)


async def test_the_secret_does_not_follow_a_redirect(
    start_identity: StartIdentity, issuer: Issuer
) -> None:
    issuer.redirect_introspection = True
    async with start_identity(identity=section(issuer)) as identity:
        with pytest.raises(Unavailable):
            await ask(identity)


async def test_our_own_tokens_are_shown_to_nobody(
    start_identity: StartIdentity, issuer: Issuer, people: People
) -> None:
    device = await people.device()
    async with start_identity(identity=section(issuer)) as identity:
        for token in (access_tokens.generate().text, identity.issue_device_token(device)):
            with pytest.raises(Unauthenticated):
                await ask(identity, token)
    assert issuer.introspections == 0


async def test_a_user_that_lists_the_subject_is_the_bearer(
    start_identity: StartIdentity, issuer: Issuer, people: People
) -> None:
    user = await people.user("ada", subjects=["https://login.example#subject-1"])
    issuer.known_tokens["opaque-token"] = {**GOOD, "iss": "https://login.example"}
    async with start_identity(identity=section(issuer)) as identity:
        assert (await ask(identity)).uid == user.metadata.uid


async def test_the_client_secret_does_not_show_when_settings_are_printed(
    start_identity: StartIdentity, issuer: Issuer
) -> None:
    identity = start_identity(identity=section(issuer))
    assert CLIENT_SECRET not in repr(identity._settings)
