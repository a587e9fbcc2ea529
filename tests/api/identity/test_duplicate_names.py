"""Two User objects of one name: the older one has it, as the operator says."""

import secrets
from typing import Any

import pytest

from polyfleet.api.core.errors import Unauthenticated
from polyfleet.api.core.identity.accounts import create_access_token
from polyfleet.api.core.identity.authenticator import Identity
from polyfleet.fleet.objects.kinds import ACCESS_TOKENS, USERS
from polyfleet.fleet.objects.user import User
from polyfleet.kube.writer import Writer
from tests.api.identity.conftest import People


async def pretender(people: People, **fields: Any) -> User:
    """Make a second User object with ada's name, as kubectl can."""
    body = {"metadata": {"name": "zz-ada"}, "spec": {"name": "ada", **fields}}
    user = await people.client.create(USERS, body)
    people.users.apply(user)
    return user


async def access_token(people: People, user: User) -> str:
    token = await create_access_token(Writer(people.client, None), user)
    async for page in people.client.list_pages(ACCESS_TOKENS):
        for item in page.items:
            people.access_tokens.apply(item)
    return token.text


async def test_the_older_one_logs_in_as_before(
    identity: Identity, people: People, password: str
) -> None:
    ada = await people.user("ada", password)
    token = await access_token(people, ada)
    login = identity.login_tokens.issue(ada)
    await pretender(people)
    assert (await identity.log_in("ada", password)).user.metadata.uid == ada.metadata.uid
    found = identity.directory.access_token(token)
    assert found is not None
    assert found[0].metadata.uid == ada.metadata.uid
    uid = identity.login_tokens.user_uid(login)
    assert uid is not None
    assert identity.directory.user_by_uid(uid) == ada


async def test_the_younger_one_is_nobody(identity: Identity, people: People) -> None:
    await people.user("ada")
    other = await pretender(people, subjects=["https://issuer.test#ada"])
    token = await access_token(people, other)
    assert identity.directory.user_by_uid(other.metadata.uid) is None
    assert identity.directory.access_token(token) is None
    assert identity.directory.user_by_subject("https://issuer.test#ada") is None


async def test_a_name_whose_holder_is_disabled_is_not_handed_on(
    identity: Identity, people: People, password: str
) -> None:
    await people.user("ada", password, disabled=True)
    await pretender(people)
    assert identity.directory.user("ada") is None
    with pytest.raises(Unauthenticated):
        await identity.log_in("ada", password)


async def test_the_younger_one_has_the_name_once_the_older_is_gone(
    identity: Identity, people: People
) -> None:
    ada = await people.user("ada", secrets.token_urlsafe(18))
    other = await pretender(people)
    await people.remove_user(ada)
    assert identity.directory.user("ada") == other
