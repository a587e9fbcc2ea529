"""The description of this API, and that the answers fit it."""

from typing import Any

import pytest
from pydantic import TypeAdapter

from polyfleet.api.dialects.rdfm import schemas
from tests.dialects.rdfm.fleet import Fleet


@pytest.fixture(scope="session")
def description(fleet: Fleet) -> dict[str, Any]:
    reply = fleet.manager.get("/api/v2/openapi.json")
    assert reply.status_code == 200
    document: dict[str, Any] = reply.json()
    return document


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/api/v1/packages", {"get", "post"}),
        ("/api/v1/packages/{identifier}", {"get", "delete"}),
        ("/api/v1/packages/{identifier}/download", {"get"}),
        ("/api/v1/groups", {"get", "post"}),
        ("/api/v1/groups/{identifier}", {"get", "delete"}),
        ("/api/v1/groups/{identifier}/devices", {"patch"}),
        ("/api/v1/groups/{identifier}/package", {"post"}),
        ("/api/v1/groups/{identifier}/policy", {"post"}),
        ("/api/v2/groups/{identifier}/priority", {"post"}),
        ("/api/v1/update/check", {"post"}),
        ("/api/v1/devices", {"get"}),
        ("/api/v1/devices/{identifier}", {"get", "delete"}),
        ("/api/v1/auth/device", {"post"}),
        ("/api/v1/auth/pending", {"get", "delete"}),
        ("/api/v1/auth/register", {"post"}),
    ],
)
def test_every_route_of_the_document_is_described(
    description: dict[str, Any], path: str, methods: set[str]
) -> None:
    assert set(description["paths"][path]) == methods


def test_the_signature_is_described(description: dict[str, Any]) -> None:
    [header] = description["paths"]["/api/v1/auth/device"]["post"]["parameters"]
    assert (header["name"], header["in"]) == ("X-RDFM-Device-Signature", "header")
    assert header["required"]


def test_answers_fit_what_is_described(fleet: Fleet) -> None:
    device, serial = fleet.device()
    package = fleet.package("v1")["id"]
    group = fleet.group(devices=[serial], packages=[package], policy="exact_match,v1")
    fleet.stranger().ask()
    for path, shape in (
        ("/api/v1/packages", list[schemas.Package]),
        (f"/api/v1/packages/{package}", schemas.Package),
        (f"/api/v1/packages/{package}/download", schemas.DownloadLink),
        ("/api/v1/groups", list[schemas.Group]),
        (f"/api/v2/groups/{group}", schemas.GroupV2),
        ("/api/v1/devices", list[schemas.Device]),
        (f"/api/v2/devices/{serial}", schemas.DeviceV2),
        ("/api/v1/auth/pending", list[schemas.Registration]),
    ):
        TypeAdapter(shape).validate_json(fleet.manager.get(path).content)
    TypeAdapter(schemas.DeviceToken).validate_json(device.ask().content)
    TypeAdapter(schemas.Update).validate_json(device.check().content)
