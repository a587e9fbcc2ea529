"""What every native route answers to those whom it does not know, or knows too well."""

import httpx
import pytest

from tests.facade_fixtures import FacadeServer

ROUTES = [
    "/polyfleet/v1/whoami",
    "/polyfleet/v1/devices/lamp/decision",
    "/polyfleet/v1/applications/default/devices/lamp/decision",
    "/polyfleet/v1/rollouts/default.ring/plan",
]


@pytest.mark.parametrize("path", ROUTES)
def test_without_credentials_nothing_is_told(facade_server: FacadeServer, path: str) -> None:
    with facade_server.client() as stranger:
        answer = stranger.get(path)
    assert answer.status_code == 401
    assert answer.json()["error"]["reason"] == "Unauthenticated"


def test_who_guesses_passwords_has_to_wait_on_every_route(facade_server: FacadeServer) -> None:
    with facade_server.client(auth=("nobody", "a guess")) as stranger:
        for path in ROUTES:
            # The pause doubles with each guess, so the slowest machine runs into it.
            answers = (stranger.get(path) for _ in range(20))
            refused = next(answer for answer in answers if answer.status_code != 401)
            assert refused.status_code == 429
            assert refused.json()["error"]["reason"] == "RateLimited"
            assert int(refused.headers["retry-after"]) >= 1


def test_a_supposition_at_fault_is_refused_in_an_application_too(admin: httpx.Client) -> None:
    answer = admin.get(f"{ROUTES[2]}?attribute={'x' * 10}&version={'v' * 300}")
    assert answer.status_code == 400
    assert answer.json()["error"]["reason"] == "Invalid"
    assert "version" in answer.json()["error"]["message"]


def test_the_description_promises_only_what_is_answered(admin: httpx.Client) -> None:
    document = admin.get("/polyfleet/v1/openapi.json").json()
    promised = {
        path: sorted(operations["get"]["responses"])
        for path, operations in document["paths"].items()
    }
    assert promised.pop("/polyfleet/v1/whoami") == ["200", "401", "429", "503"]
    plan = promised.pop("/polyfleet/v1/rollouts/{name}/plan")
    assert plan == ["200", "400", "401", "404", "409", "429", "503"]
    assert list(promised.values()) == [["200", "400", "401", "404", "429", "503"]] * 2
