"""Identity as a running facade has it: under the chart's Role, with its cache and its watches."""

import base64
import json
import time
from collections.abc import Callable

import httpx
import pytest

from tests.facade_fixtures import FacadeServer

WHOAMI = "/polyfleet/v1/whoami"
DEADLINE = 30.0


def status(server: FacadeServer, authorization: str) -> int:
    with server.client(headers={"Authorization": authorization}) as client:
        return client.get(WHOAMI).status_code


def becomes(expected: int, server: FacadeServer, authorization: str) -> bool:
    """Return whether the answer becomes the expected one before the deadline."""
    ends = time.monotonic() + DEADLINE
    while time.monotonic() < ends:
        if status(server, authorization) == expected:
            return True
        time.sleep(0.02)
    return False


@pytest.fixture
def token(facade_server: FacadeServer) -> str:
    return facade_server.user_token("ada", scopes=["rdfm_admin_ro"])


def test_one_token_works_in_every_header_form(facade_server: FacadeServer, token: str) -> None:
    pair = base64.b64encode(f"ada:{token}".encode()).decode()
    forms = [f"Bearer token={token}", f"bearer {token}", f"token {token}", f"Basic {pair}"]
    assert [status(facade_server, form) for form in forms] == [200] * 4


def test_the_token_endpoint_gives_a_token_that_is_taken(
    facade_server: FacadeServer, token: str
) -> None:
    with facade_server.client() as client:
        answer = client.post(
            "/oauth/token",
            data={"grant_type": "client_credentials", "client_id": "ada", "client_secret": token},
        )
        issued = answer.json()["access_token"]
        found = client.get(WHOAMI, headers={"Authorization": f"Bearer token={issued}"})
    assert found.json()["name"] == "ada"
    assert found.json()["scopes"] == ["rdfm_admin_ro"]


def test_a_token_deleted_by_kubectl_is_refused_as_soon_as_the_watch_tells(
    facade_server: FacadeServer, token: str, kubectl: Callable[..., str]
) -> None:
    assert status(facade_server, f"Bearer {token}") == 200
    kubectl("delete", "accesstokens", "--all")
    assert becomes(401, facade_server, f"Bearer {token}")


def test_a_user_disabled_by_kubectl_is_refused_as_soon_as_the_watch_tells(
    facade_server: FacadeServer, token: str, kubectl: Callable[..., str]
) -> None:
    kubectl("patch", "user", "ada", "--type=merge", "-p", '{"spec":{"disabled":true}}')
    assert becomes(401, facade_server, f"Bearer {token}")


def test_a_password_is_taken_under_the_role_of_the_facade(
    facade_server: FacadeServer, token: str, password: str, kubectl: Callable[..., str]
) -> None:
    identity = facade_server.facade.identity
    user = identity.directory.user("ada")
    assert user is not None
    facade_server.call(identity.set_password(user, password))
    pair = base64.b64encode(f"ada:{password}".encode()).decode()
    assert status(facade_server, f"Basic {pair}") == 200
    assert password not in kubectl("get", "users,accesstokens,secrets", "-o", "yaml")


def test_the_signing_keys_are_made_by_the_facade_itself(
    facade_server: FacadeServer, kubectl: Callable[..., str]
) -> None:
    secret = json.loads(kubectl("get", "secret", "polyfleet-signing-keys", "-o", "json"))
    current = base64.b64decode(secret["data"]["current"]).decode()
    assert len(base64.b64decode(secret["data"][current])) == 32


def test_a_stranger_is_refused_alike_whatever_is_wrong(
    facade_server: FacadeServer, token: str
) -> None:
    wrong = [
        "Bearer drg_012345_01234567890123456789012345678920BetF",
        f"Bearer {token[:-1]}",
        "Basic " + base64.b64encode(b"ada:wrong password").decode(),
        "Basic " + base64.b64encode(b"nobody:wrong password").decode(),
        "Bearer a.b.c",
    ]
    answers: list[httpx.Response] = []
    for authorization in wrong:
        with facade_server.client(headers={"Authorization": authorization}) as client:
            answers.append(client.get(WHOAMI))
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.content for answer in answers}) == 1
