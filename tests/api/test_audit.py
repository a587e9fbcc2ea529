"""The audit log of a facade: who changed what, and never a secret."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from tests.facade_fixtures import FacadeServer, StartFacade

GROUP = {"metadata": {"rdfm.group.name": "kitchen"}}


@pytest.fixture
def written(facade_server: FacadeServer) -> Iterator[list[Any]]:
    """Provide what is logged, of which `lines` picks the audit log."""
    with capture_logs() as entries:
        yield entries


def lines(entries: list[Any]) -> list[dict[str, Any]]:
    return [entry for entry in entries if entry["event"] == "audit"]


def test_a_change_names_who_made_it_to_what_and_from_where(
    admin: httpx.Client, written: list[Any]
) -> None:
    made = admin.post("/api/v2/groups", json=GROUP).raise_for_status().json()
    admin.delete(f"/api/v2/groups/{made['id']}").raise_for_status()
    created, deleted = lines(written)
    assert created["user"] == "admin"
    assert created["user_uid"]
    assert created["credential"] == "access token"
    assert created["address"] == "127.0.0.1"
    assert (created["dialect"], created["method"], created["route"], created["status"]) == (
        "rdfm",
        "POST",
        "/api/v2/groups",
        200,
    )
    assert created["outcome"] == deleted["outcome"] == "done"
    assert deleted["objects"] == {"identifier": str(made["id"])}


def test_a_reading_leaves_no_line(admin: httpx.Client, written: list[Any]) -> None:
    admin.get("/api/v2/groups").raise_for_status()
    search = "/api/management/v2/inventory/filters/search"
    admin.post(search, json={"filters": []}).raise_for_status()
    assert lines(written) == []


def test_who_is_refused_leaves_a_line_without_a_name(
    facade_server: FacadeServer, written: list[Any]
) -> None:
    with facade_server.client("drg_made_up") as stranger:
        assert stranger.post("/api/v2/groups", json=GROUP).status_code == 401
    (line,) = lines(written)
    assert (line["user"], line["status"], line["outcome"]) == (None, 401, "refused")


def test_who_lacks_the_right_leaves_a_line_with_a_name(
    facade_server: FacadeServer, written: list[Any]
) -> None:
    token = facade_server.user_token("reader", scopes=["rdfm_admin_ro"])
    with facade_server.client(token) as reader:
        assert reader.post("/api/v2/groups", json=GROUP).status_code == 403
    (line,) = lines(written)
    assert (line["user"], line["status"], line["outcome"]) == ("reader", 403, "refused")


def test_a_change_that_is_wrong_leaves_a_line(admin: httpx.Client, written: list[Any]) -> None:
    assert admin.post("/api/v2/groups", json={"nonsense": 1}).status_code == 400
    (line,) = lines(written)
    assert line["outcome"] == "failed"


def test_a_login_leaves_a_line_and_no_secret(
    facade_server: FacadeServer, admin_token: str, written: list[Any]
) -> None:
    with facade_server.client() as client:
        form = {"grant_type": "client_credentials"}
        answer = client.post("/oauth/token", data=form, auth=("admin", admin_token))
    issued = answer.raise_for_status().json()["access_token"]
    (line,) = lines(written)
    assert (line["dialect"], line["user"], line["outcome"]) == ("identity", "admin", "done")
    assert admin_token not in str(written)
    assert issued not in str(written)


def test_what_devices_ask_leaves_no_line(facade_server: FacadeServer, written: list[Any]) -> None:
    with facade_server.client("not a device's token") as device:
        assert device.post("/api/v1/update/check", json={}).status_code == 401
    assert lines(written) == []


def test_a_caller_that_asks_for_too_much_is_told_to_wait_in_the_dialects_shape(
    start_facade: StartFacade,
) -> None:
    limits = {"calls_burst": 3, "calls_per_second": 0.001}
    with start_facade(identity={"limits": limits}) as server:
        token, other = (server.user_token(name, administrator=True) for name in ("ada", "bo"))
        with server.client(token) as ada, server.client(other) as bo:
            answers = [ada.get("/api/v2/groups") for _ in range(4)]
            assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
            assert set(answers[-1].json()) == {"error"}
            assert int(answers[-1].headers["retry-after"]) > 1
            assert bo.get("/api/v2/groups").status_code == 200
