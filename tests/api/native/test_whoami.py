"""Who the caller is."""

import httpx

from tests.facade_fixtures import FacadeServer


def test_an_administrator_is_told_so(admin: httpx.Client) -> None:
    answer = admin.get("/polyfleet/v1/whoami")
    assert answer.status_code == 200
    assert answer.json() == {
        "kind": "user",
        "name": "admin",
        "administrator": True,
        "scopes": [],
        "source": "access token",
    }


def test_a_stranger_is_refused(facade_server: FacadeServer) -> None:
    with facade_server.client() as stranger:
        answer = stranger.get("/polyfleet/v1/whoami")
    assert answer.status_code == 401
    assert answer.json()["error"]["reason"] == "Unauthenticated"
    assert answer.headers["www-authenticate"].startswith("Bearer")
