from datetime import UTC, datetime, timedelta

import pytest

from polyfleet.api.core.errors import Invalid
from polyfleet.api.core.identity.accounts import (
    check_name,
    create_access_token,
    create_administrator,
    create_user,
    set_password,
)
from polyfleet.api.core.identity.authenticator import Identity
from polyfleet.api.core.identity.password_hashes import PasswordHashes
from polyfleet.fleet.objects.kinds import ACCESS_TOKENS, USERS
from polyfleet.kube.client import Client
from polyfleet.kube.errors import AlreadyExists
from polyfleet.kube.writer import Writer
from tests.api.identity.conftest import People


@pytest.fixture
def writer(client: Client) -> Writer:
    return Writer(client, None)


async def test_the_first_administrator_can_log_in_with_the_password_that_was_drawn(
    writer: Writer, client: Client, identity: Identity, people: People
) -> None:
    user, password = await create_administrator(writer, client, "admin")
    people.users.apply(user)
    assert user.spec.administrator
    assert len(password) >= 20
    assert (await identity.log_in("admin", password)).user.metadata.uid == user.metadata.uid


async def test_a_given_password_is_used(
    writer: Writer, client: Client, identity: Identity, people: People, password: str
) -> None:
    user, returned = await create_administrator(writer, client, "admin", password)
    people.users.apply(user)
    assert returned == password
    await identity.log_in("admin", password)


async def test_a_name_is_taken_only_once(writer: Writer, client: Client) -> None:
    await create_administrator(writer, client, "admin")
    with pytest.raises(AlreadyExists):
        await create_administrator(writer, client, "admin")


async def test_a_user_whose_name_is_no_object_name_can_log_in(
    writer: Writer, client: Client, identity: Identity, people: People
) -> None:
    name = "Ada Lovelace@example.org"
    user, password = await create_administrator(writer, client, name)
    people.users.apply(user)
    assert (await identity.log_in(name, password)).user.spec.name == name


async def test_a_password_is_set_anew(
    writer: Writer, client: Client, identity: Identity, people: People
) -> None:
    user, _ = await create_administrator(writer, client, "admin")
    people.users.apply(user)
    drawn = await set_password(client, user)
    await identity.log_in("admin", drawn)


async def test_a_bad_password_makes_no_user(writer: Writer, client: Client) -> None:
    with pytest.raises(Invalid):
        await create_user(writer, PasswordHashes(client), "ada", "short")
    assert await client.list_documents(USERS) == []


async def test_further_fields_are_kept(writer: Writer, client: Client, password: str) -> None:
    fields = {"email": "ada@example.org", "firstName": "Ada"}
    user = await create_user(writer, PasswordHashes(client), "ada", password, fields=fields)
    assert (user.spec.email, user.spec.first_name) == ("ada@example.org", "Ada")


@pytest.mark.parametrize("name", ["", "a:b", "a\nb", "drg_012345", "x" * 1025])
def test_a_name_that_cannot_log_in_is_no_name(name: str) -> None:
    with pytest.raises(Invalid):
        check_name(name)


async def test_an_access_token_keeps_what_it_was_made_with(writer: Writer, client: Client) -> None:
    user, _ = await create_administrator(writer, client, "admin")
    expires = datetime.now(UTC) + timedelta(days=1)
    token = await create_access_token(
        writer, user, description="ci", scopes=["b", "a", "a"], expires_at=expires
    )
    (document,) = await client.list_documents(ACCESS_TOKENS)
    stored = await client.get(ACCESS_TOKENS, document["metadata"]["name"])
    assert stored.spec.prefix == token.prefix
    assert stored.spec.user_uid == user.metadata.uid
    assert stored.spec.scopes == ("a", "b")
    assert stored.spec.description == "ci"
    assert datetime.fromisoformat(stored.spec.expires_at or "") == expires
