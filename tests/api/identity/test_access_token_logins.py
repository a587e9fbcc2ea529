import base64
from datetime import timedelta
from typing import Any

import pytest
import structlog
from starlette.datastructures import Headers, QueryParams

from polyfleet.api.core.errors import Forbidden, Unauthenticated
from polyfleet.api.core.identity import access_tokens
from polyfleet.api.core.identity.accounts import create_access_token
from polyfleet.api.core.identity.authenticator import Identity, require_scope
from polyfleet.fleet.objects.application import Application, ApplicationSpec
from polyfleet.fleet.objects.kinds import ACCESS_TOKENS
from polyfleet.fleet.objects.metadata import ObjectMeta
from polyfleet.fleet.objects.user import User
from polyfleet.fleet.rights import Principal, Right
from polyfleet.kube.client import Client
from polyfleet.kube.writer import Writer
from tests.api.identity.conftest import HandClock, People, StartIdentity

DEFAULT = Application(metadata=ObjectMeta(name="default"), spec=ApplicationSpec(name="default"))


async def new_token(people: People, user: User, **options: Any) -> str:
    """Make an access token, and let the stores know of it."""
    token = await create_access_token(Writer(people.client, None), user, **options)
    for document in await people.client.list_documents(ACCESS_TOKENS):
        name = document["metadata"]["name"]
        people.access_tokens.apply(await people.client.get(ACCESS_TOKENS, name))
    return token.text


async def bearer(identity: Identity, token: str) -> Principal:
    return await identity.authenticate_management(Headers({"authorization": f"Bearer {token}"}))


def basic(user: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()


async def test_one_token_works_in_the_header_form_of_every_dialect(
    identity: Identity, people: People
) -> None:
    user = await people.user("ada", scopes=["rdfm_admin_rw"])
    token = await new_token(people, user)
    forms = [
        f"Bearer token={token}",
        f'bearer token="{token}"',
        f"Bearer {token}",
        f"token {token}",
        basic("ada", token),
    ]
    found = [
        await identity.authenticate_management(Headers({"authorization": form})) for form in forms
    ]
    assert {(principal.uid, principal.scopes) for principal in found} == {
        (user.metadata.uid, frozenset({"rdfm_admin_rw"}))
    }


@pytest.mark.parametrize("query", ["token={}", "api_key={}", "username=ada&api_key={}"])
async def test_a_token_works_in_the_query_where_the_dialect_allows_it(
    identity: Identity, people: People, query: str
) -> None:
    token = await new_token(people, await people.user("ada"))
    parameters = QueryParams(query.format(token))
    principal = await identity.authenticate_management(Headers({}), parameters)
    assert principal.name == "ada"


async def test_a_token_does_not_work_in_the_query_elsewhere(identity: Identity) -> None:
    with pytest.raises(Unauthenticated):
        await identity.authenticate_management(Headers({}))


async def test_the_text_of_a_token_is_kept_nowhere(people: People, client: Client) -> None:
    user = await people.user("ada")
    token = await create_access_token(Writer(client, None), user, description="for a program")
    (document,) = await client.list_documents(ACCESS_TOKENS)
    assert token.text not in str(document)
    assert document["spec"]["hash"] == access_tokens.digest(token.text)
    assert document["spec"]["prefix"] == token.prefix
    assert document["spec"]["description"] == "for a program"


async def test_the_tokens_of_another_user_name_are_refused(
    identity: Identity, people: People
) -> None:
    token = await new_token(people, await people.user("ada"))
    await people.user("bob")
    with pytest.raises(Unauthenticated):
        await identity.authenticate_management(Headers({"authorization": basic("bob", token)}))


async def test_an_unknown_well_formed_token_is_refused(identity: Identity) -> None:
    with pytest.raises(Unauthenticated):
        await bearer(identity, access_tokens.generate().text)


async def test_a_deleted_token_is_refused_at_once(
    identity: Identity, people: People, client: Client
) -> None:
    token = await new_token(people, await people.user("ada"))
    await bearer(identity, token)
    (stored,) = people.access_tokens.values()
    await client.delete(ACCESS_TOKENS, stored.metadata.name)
    people.access_tokens.remove(stored, confirmed=True)
    with pytest.raises(Unauthenticated):
        await bearer(identity, token)


async def test_a_token_ends_when_it_says(
    identity: Identity, people: People, clock: HandClock
) -> None:
    user = await people.user("ada")
    token = await new_token(people, user, expires_at=clock() + timedelta(seconds=60))
    clock.advance(59)
    await bearer(identity, token)
    clock.advance(1)
    with pytest.raises(Unauthenticated):
        await bearer(identity, token)


async def test_the_token_of_a_disabled_user_is_refused(identity: Identity, people: People) -> None:
    user = await people.user("ada")
    token = await new_token(people, user)
    await people.change_user(user, disabled=True)
    with pytest.raises(Unauthenticated):
        await bearer(identity, token)


async def test_a_user_made_again_under_the_name_inherits_no_token(
    identity: Identity, people: People
) -> None:
    user = await people.user("ada")
    token = await new_token(people, user)
    await people.remove_user(user)
    await people.user("ada")
    with pytest.raises(Unauthenticated):
        await bearer(identity, token)


async def test_a_token_without_scopes_is_worth_all_that_the_user_is(
    identity: Identity, people: People
) -> None:
    user = await people.user("root", administrator=True)
    principal = await bearer(identity, await new_token(people, user))
    assert principal.administrator
    identity.require(principal, Right.OWN, DEFAULT)


async def test_a_token_with_scopes_makes_no_administrator(
    identity: Identity, people: People
) -> None:
    user = await people.user("root", administrator=True)
    token = await new_token(people, user, scopes=["rdfm_admin_ro"])
    principal = await bearer(identity, token)
    assert not principal.administrator
    identity.require(principal, Right.READ, DEFAULT)
    with pytest.raises(Forbidden):
        identity.require(principal, Right.WRITE, DEFAULT)


async def test_a_token_cannot_name_scopes_that_its_user_lacks(
    identity: Identity, people: People
) -> None:
    user = await people.user("ada", scopes=["rdfm_admin_ro"])
    token = await new_token(people, user, scopes=["rdfm_admin_rw", "rdfm_admin_ro"])
    assert (await bearer(identity, token)).scopes == {"rdfm_admin_ro"}


async def test_who_may_write_may_hand_on_the_right_to_read(
    identity: Identity, people: People
) -> None:
    user = await people.user("ada", scopes=["rdfm_admin_rw"])
    principal = await bearer(identity, await new_token(people, user, scopes=["rdfm_admin_ro"]))
    assert principal.scopes == {"rdfm_admin_ro"}
    with pytest.raises(Forbidden):
        require_scope(principal, "rdfm_admin_rw")


async def test_a_scope_taken_from_the_user_is_gone_from_the_token_at_once(
    identity: Identity, people: People
) -> None:
    user = await people.user("ada", scopes=["rdfm_admin_rw"])
    token = await new_token(people, user, scopes=["rdfm_admin_rw"])
    await people.change_user(user, scopes=[])
    assert (await bearer(identity, token)).scopes == frozenset()


async def test_a_request_without_credentials_is_refused(identity: Identity) -> None:
    with pytest.raises(Unauthenticated):
        await identity.authenticate_management(Headers({}), QueryParams(""))


async def test_in_the_insecure_mode_everybody_is_an_administrator(
    start_identity: StartIdentity,
) -> None:
    with structlog.testing.capture_logs() as logs:
        async with start_identity(insecure=True) as identity:
            principal = await identity.authenticate_management(Headers({}))
    assert principal.administrator
    assert principal.source == "insecure"
    assert [entry["log_level"] for entry in logs] == ["warning"]


async def test_the_insecure_mode_does_not_make_devices(start_identity: StartIdentity) -> None:
    async with start_identity(insecure=True) as identity:
        with pytest.raises(Unauthenticated):
            await identity.authenticate_device("anything")
