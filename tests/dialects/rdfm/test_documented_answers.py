"""Answers that the OpenAPI document promises of both versions alike."""

import httpx
import pytest

from tests.dialects.rdfm.fleet import Fleet, error_text

ABSENT = 999_999_999
VERSIONS = pytest.mark.parametrize("version", ["v1", "v2"])


def check_is_error(reply: httpx.Response, status: int) -> None:
    assert reply.status_code == status
    error_text(reply)


@VERSIONS
def test_an_empty_group_is_deleted_once(fleet: Fleet, version: str) -> None:
    path = f"/api/{version}/groups/{fleet.group()}"
    fleet.done(fleet.manager.delete(path))
    check_is_error(fleet.manager.delete(path), 404)


@VERSIONS
def test_a_group_that_never_was_cannot_be_deleted(fleet: Fleet, version: str) -> None:
    check_is_error(fleet.manager.delete(f"/api/{version}/groups/{ABSENT}"), 404)


@VERSIONS
def test_a_group_in_use_cannot_be_deleted(fleet: Fleet, version: str) -> None:
    group = fleet.group(devices=[fleet.device()[1]])
    check_is_error(fleet.manager.delete(f"/api/{version}/groups/{group}"), 409)


@VERSIONS
@pytest.mark.parametrize(
    ("method", "route", "body"),
    [
        ("PATCH", "devices", {"add": []}),
        ("POST", "package", {"packages": "x"}),
        ("POST", "policy", {"policy": "latest,"}),
    ],
)
def test_a_body_at_fault_is_refused(
    fleet: Fleet, version: str, method: str, route: str, body: object
) -> None:
    path = f"/api/{version}/groups/{fleet.group()}/{route}"
    check_is_error(fleet.manager.request(method, path, json=body), 400)


@VERSIONS
def test_an_unknown_device_cannot_join(fleet: Fleet, version: str) -> None:
    path = f"/api/{version}/groups/{fleet.group()}/devices"
    check_is_error(fleet.manager.patch(path, json={"add": [ABSENT], "remove": []}), 409)


@VERSIONS
def test_a_package_cannot_be_assigned_twice(fleet: Fleet, version: str) -> None:
    package = fleet.package()["id"]
    path = f"/api/{version}/groups/{fleet.group()}/package"
    check_is_error(fleet.manager.post(path, json={"packages": [package, package]}), 409)
