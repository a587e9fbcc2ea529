"""Access tokens of people."""

from collections.abc import Callable

import httpx
import pytest

from polyfleet.api.dialects.drogue import tokens
from tests.dialects.drogue.registry import ADMIN, APPS, CONFLICT, LOGIN_NEEDED, TOKENS, error
from tests.dialects.people import Person
from tests.facade_fixtures import FacadeServer


def test_a_token_is_made_used_listed_and_deleted(
    person: Callable[..., Person], server: FacadeServer
) -> None:
    owner = person("tokens")
    reply = owner.post(TOKENS, params={"description": "for the robot"})
    assert reply.status_code == 200
    made = reply.json()
    assert set(made) == {"prefix", "token", "key"}
    assert made["token"].startswith(made["prefix"] + "_")
    with server.client(auth=(owner.name, made["token"])) as robot:
        assert robot.get(APPS).json() == []
        listed = owner.get(TOKENS).json()
        found = next(item for item in listed if item["prefix"] == made["prefix"])
        assert set(found) == {"prefix", "created", "description"}
        assert found["description"] == "for the robot"
        assert made["token"] not in owner.get(TOKENS).text
        reply = owner.delete(f"{TOKENS}/{made['prefix']}")
        assert (reply.status_code, reply.content) == (204, b"")
        assert robot.get(APPS).status_code == 401
    assert owner.delete(f"{TOKENS}/{made['prefix']}").status_code == 204


def test_a_token_without_a_description_has_none(person: Callable[..., Person]) -> None:
    owner = person("plain")
    prefix = owner.post(TOKENS).json()["prefix"]
    shown = next(item for item in owner.get(TOKENS).json() if item["prefix"] == prefix)
    assert set(shown) == {"prefix", "created"}


def test_tokens_of_others_are_neither_seen_nor_deleted(
    person: Callable[..., Person], stranger: Person
) -> None:
    owner = person("mine")
    prefix = owner.post(TOKENS).json()["prefix"]
    assert prefix not in stranger.get(TOKENS).text
    assert stranger.delete(f"{TOKENS}/{prefix}").status_code == 204
    assert prefix in owner.get(TOKENS).text


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_nobody_without_credentials_has_tokens(anonymous: httpx.Client, method: str) -> None:
    path = f"{TOKENS}/drg_abcdef" if method == "DELETE" else TOKENS
    assert error(anonymous.request(method, path)) == LOGIN_NEEDED


def test_a_long_description_is_refused(stranger: Person) -> None:
    reply = stranger.post(TOKENS, params={"description": "x" * 1025})
    assert error(reply)[:2] == (400, "BadRequest")


def test_a_user_has_so_many_tokens(
    person: Callable[..., Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "MAX_TOKENS", 2)  # one of them is what the person calls by
    owner = person("many")
    prefix = owner.post(TOKENS).json()["prefix"]
    assert error(owner.post(TOKENS)) == CONFLICT
    assert owner.delete(f"{TOKENS}/{prefix}").status_code == 204
    assert owner.post(TOKENS).status_code == 200


def test_a_narrow_token_makes_no_wider_one(
    person: Callable[..., Person], server: FacadeServer
) -> None:
    owner = person("narrow", administrator=True)
    user = server.facade.identity.directory.user(owner.name)
    assert user is not None
    login = server.call(server.facade.identity.log_in(owner.name, owner.token))

    async def narrowed() -> str:
        return server.facade.identity.issue_user_token(login, scopes=["rdfm_admin_ro"]).text

    with server.client(server.call(narrowed())) as narrow:
        made = narrow.post(TOKENS).json()["token"]
        assert error(narrow.post(APPS, json={"metadata": {"name": "not-mine"}}))[0] == 403
    with server.client(made) as robot:
        assert robot.get(f"{APPS}/default").status_code == 200
        body = {"metadata": {"name": "default"}}
        assert robot.put(f"{APPS}/default", json=body).status_code == 403
        assert robot.get(f"{ADMIN}/apps/default/members").status_code == 404
