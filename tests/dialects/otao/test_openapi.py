"""The document that describes this dialect says what it does."""

import re
from typing import Any

import httpx
import pytest

from polyfleet.api.dialects.otao.schemas import DATE, SEMANTIC_VERSION
from polyfleet.api.dialects.otao.translate import dates
from polyfleet.api.dialects.otao.translate.software import strict

SOFTWARE = "/api/v1/applications/{appName}/software"
CURRENT = "/api/v1/endpoints/{endpointId}/software/current"
DEVICE = "/kp1/{appVersionName}/cmx_ota/{endpointToken}"


@pytest.fixture(scope="module")
def document(anonymous: httpx.Client) -> dict[str, Any]:
    """Provide the OpenAPI document."""
    reply = anonymous.get("/otao/openapi.json")
    assert reply.status_code == 200
    found: dict[str, Any] = reply.json()
    return found


def test_it_is_named_at_the_root(anonymous: httpx.Client) -> None:
    assert "/otao/openapi.json" in anonymous.get("/").text


def test_it_names_the_operations_with_their_scopes_and_answers(document: dict[str, Any]) -> None:
    operations = {
        (method, path): (
            [scope for entry in operation["security"] for scope in entry.get("oauth_2_0", ())],
            sorted(operation["responses"]),
        )
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    read, update = ["application:software:read"], ["application:software:update"]
    single = f"{SOFTWARE}/{{softwareVersion}}"
    assert operations["get", SOFTWARE] == (read, ["200", "401", "404", "429", "503"])
    for path in (single, f"{SOFTWARE}/versions/{{softwareVersion}}"):
        assert operations["get", path] == (read, ["200", "400", "401", "404", "429", "503"])
        written = ["400", "401", "404", "413", "415", "429", "503"]
        assert operations["put", path] == (update, ["204", *written])
        assert operations["post", path] == (update, ["201", *written])
    assert operations["get", CURRENT] == (["endpoint:read"], ["200", "401", "404", "429", "503"])
    told = ["200", "400", "401", "404", "413", "429", "503"]
    for ending in ("", "/{requestId}"):
        assert operations["post", f"{DEVICE}/config/json{ending}"] == ([], told)
        assert operations["post", f"{DEVICE}/applied/json{ending}"] == ([], told)
        # A GET may carry a body too; it is read like that of a POST.
        assert operations["get", f"{DEVICE}/config/json{ending}"] == ([], told)
    assert len(operations) == 14


def test_its_references_lead_somewhere(document: dict[str, Any]) -> None:
    references = set(re.findall(r"#/components/schemas/(\w+)", str(document)))
    assert references <= document["components"]["schemas"].keys()


@pytest.mark.parametrize(
    "version",
    [
        "1.0.0",
        "1.0",
        "v1.0.0",
        "1.0.0-a.1+b",
        "1.0.0-01",
        "1.0.0-",
        "01.0.0",
        "1.0.0+",
        "1.0.0\n",
        "",
    ],
)
def test_its_pattern_of_versions_is_what_is_taken(version: str) -> None:
    assert bool(re.fullmatch(SEMANTIC_VERSION, version)) == (strict(version) is not None)


@pytest.mark.parametrize(
    "text",
    ["2019-04-20T11:19:57Z", "2019-04-20T11:19:57.848Z", "2019-04-20T11:19:57", "2019-04-20", ""],
)
def test_its_pattern_of_dates_is_what_is_taken(text: str) -> None:
    try:
        dates.stored(text)
        taken = True
    except ValueError:
        taken = False
    assert bool(re.fullmatch(DATE, text)) == taken


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ("2019-04-20T11:19:57.848000Z", "2019-04-20T11:19:57.848Z"),
        ("2019-04-20T11:19:57.9999Z", "2019-04-20T11:19:57.999Z"),
        ("2019-04-20T01:19:57-10:00", "2019-04-20T11:19:57.000Z"),
        ("2019-02-31T00:00:00Z", "2019-02-31T00:00:00Z"),
        ("0001-01-01T00:00:00+10:00", "0001-01-01T00:00:00.000Z"),
    ],
)
def test_dates_of_any_form_are_shown_in_one(stored: str, shown: str) -> None:
    assert dates.shown(stored) == shown
