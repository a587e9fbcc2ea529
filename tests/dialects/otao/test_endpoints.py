"""What a device runs, as people ask for it."""

import httpx
import pytest

from tests.dialects.otao.fleet import Fleet, message


def test_the_whole_software_is_shown(fleet: Fleet) -> None:
    fleet.make(
        "1.0.2",
        specification={"link": "ftp://software-repository"},
        metadata=1.0,
        upgradableFrom=["1.0.0"],
        rolloutStrategy="targeted",
        filters=[{"filterId": "canary", "rolloutDate": "2019-04-20T11:19:57Z"}],
    )
    endpoint = fleet.device()
    endpoint.report("1.0.2")
    by_name, by_uid = fleet.current(endpoint.flat), fleet.current(endpoint.uid)
    assert by_name.status_code == 200
    assert by_name.content == by_uid.content
    assert by_name.json() == fleet.show("1.0.2")


def test_a_name_may_hold_anything(fleet: Fleet) -> None:
    fleet.make("1.0.0")
    endpoint = fleet.device("Lamp 7/upper ü~")
    endpoint.report("1.0.0")
    assert fleet.current(endpoint.flat).json()["version"] == "1.0.0"


def test_an_endpoint_that_is_not_there_is_not_found(fleet: Fleet) -> None:
    for text in (f"~{fleet.name}~ghost", "ghost", "~", "7d5dda9b-c9f6-427d-91ea-9891a4f62cbb"):
        reply = fleet.current(text)
        assert reply.status_code == 404
        assert message(reply).startswith(f"there is no endpoint {text!r}")


def test_an_endpoint_that_reported_nothing_has_no_software(fleet: Fleet) -> None:
    reply = fleet.current(fleet.device().flat)
    assert reply.status_code == 404
    assert message(reply) == "the endpoint has not reported which software it runs"


def test_a_version_that_is_no_software_is_not_found_but_named(fleet: Fleet) -> None:
    endpoint = fleet.device()
    endpoint.report("factory build 7")
    reply = fleet.current(endpoint.flat)
    assert reply.status_code == 404
    assert message(reply) == (
        "the endpoint runs 'factory build 7', which is no software of the application"
    )
    fleet.make("1.0.0")
    endpoint.report("1.0.0")
    assert fleet.current(endpoint.flat).status_code == 200


@pytest.mark.parametrize("base", ["/api/v1", "/otao/api/v1"])
def test_the_scope_alone_is_enough_for_the_default_application(
    fleet: Fleet, watcher: httpx.Client, base: str
) -> None:
    default = Fleet.of_default(fleet.server, watcher)
    endpoint = default.device()
    reply = watcher.get(f"{base}/endpoints/{endpoint.flat}/software/current")
    assert message(reply) == "the endpoint has not reported which software it runs"
    assert watcher.get("/api/v1/applications/default/software").status_code == 404
