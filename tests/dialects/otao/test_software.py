"""The document's operations on software, one by one."""

from typing import Any

import httpx
import pytest

from tests.dialects.otao.fleet import GENERAL, Fleet, message

EXAMPLE: dict[str, Any] = {
    "specification": {"link": "ftp://software-repository"},
    "metadata": "Ubuntu 17.10",
    "upgradableFrom": ["1.0.0", "1.0.1"],
    "rolloutStrategy": "targeted",
    "filters": [
        {
            "filterId": "79c717d9-eedd-4f71-b9f8-86caf7e309e4",
            "rolloutDate": "2019-04-20T11:19:57.848Z",
        },
        {
            "filterId": "14ebc071-31f8-4137-b60f-6e83b0f8299c",
            "rolloutDate": "2019-05-20T11:19:57.848Z",
        },
    ],
}


def test_the_documents_example_goes_in_and_comes_out_as_it_was(fleet: Fleet) -> None:
    reply = fleet.caller.post(f"{fleet.software}/1.0.2", json=EXAMPLE)
    assert (reply.status_code, reply.content) == (201, b"")
    assert reply.headers["location"] == (
        f"{fleet.server.url}/api/v1/applications/{fleet.name}/software/versions/1.0.2"
    )
    whole = {"appName": fleet.name, "version": "1.0.2", **EXAMPLE}
    assert fleet.show("1.0.2") == whole
    assert fleet.caller.get(fleet.software).json() == [whole]
    assert fleet.caller.get(reply.headers["location"]).json() == whole


def test_kaa_clouds_base_path_answers_alike(fleet: Fleet) -> None:
    path = f"/otao{fleet.software}"
    made = fleet.caller.post(f"{path}/1.0.0", json=GENERAL)
    assert made.status_code == 201
    assert made.headers["location"] == f"{fleet.server.url}{path}/versions/1.0.0"
    shown = fleet.caller.get(made.headers["location"])
    assert shown.json() == fleet.show("1.0.0")
    assert fleet.caller.put(f"{path}/1.0.0", json={"rolloutStrategy": "suspended"}).is_success
    assert fleet.caller.get(path).json()[0]["rolloutStrategy"] == "suspended"


def test_the_path_that_location_names_writes_too(fleet: Fleet) -> None:
    path = f"{fleet.software}/versions/1.0.0"
    made = fleet.caller.post(path, json=GENERAL)
    assert (made.status_code, made.content) == (201, b"")
    assert made.headers["location"] == f"{fleet.server.url}{path}"
    assert fleet.caller.put(path, json={"rolloutStrategy": "suspended"}).status_code == 204
    assert fleet.show("1.0.0")["rolloutStrategy"] == "suspended"


def test_a_version_of_the_least_words(fleet: Fleet) -> None:
    fleet.make("1.0.0", rolloutStrategy="suspended")
    assert fleet.show("1.0.0") == {
        "appName": fleet.name,
        "version": "1.0.0",
        "rolloutStrategy": "suspended",
        "filters": [],
    }


@pytest.mark.parametrize(
    "text",
    [
        "1",
        '"1"',
        "1.0",
        "1e400",
        "123456789012345678901234567890",
        "null",
        "true",
        "[]",
        '[1, 1.0, "1", {"b": 2, "a": 1.50}]',
        '{"text": "\\u00fc \u00fc \\n"}',
    ],
)
@pytest.mark.parametrize("field", ["specification", "metadata"])
def test_free_json_is_kept_to_the_letter(fleet: Fleet, field: str, text: str) -> None:
    body = f'{{"rolloutStrategy": "general", "{field}": {text}}}'
    reply = fleet.caller.post(f"{fleet.software}/1.0.0", content=body.encode())
    assert reply.status_code == 201, reply.text
    shown = fleet.caller.get(f"{fleet.software}/1.0.0").text
    assert f'"{field}":{text}' in shown


def test_absent_and_empty_are_kept_apart(fleet: Fleet) -> None:
    fleet.make("1.0.0")
    fleet.make("1.0.1", upgradableFrom=[])
    fleet.make("1.0.2", upgradableFrom=None, filters=None)
    assert "upgradableFrom" not in fleet.show("1.0.0")
    assert fleet.show("1.0.1")["upgradableFrom"] == []
    assert "upgradableFrom" not in fleet.show("1.0.2")


def test_dates_come_in_two_forms_and_go_out_in_one(fleet: Fleet) -> None:
    filters = [
        {"filterId": "a", "rolloutDate": "2019-04-20T11:19:57Z"},
        {"filterId": "b", "rolloutDate": "2019-04-20T11:19:57.8Z"},
        {"filterId": "c"},
        {"filterId": "d", "rolloutDate": None},
        {"filterId": "e", "rolloutDate": "0001-01-01T00:00:00Z"},
    ]
    fleet.make("1.0.0", rolloutStrategy="targeted", filters=filters)
    assert fleet.show("1.0.0")["filters"] == [
        {"filterId": "a", "rolloutDate": "2019-04-20T11:19:57.000Z"},
        {"filterId": "b", "rolloutDate": "2019-04-20T11:19:57.800Z"},
        {"filterId": "c"},
        {"filterId": "d"},
        {"filterId": "e", "rolloutDate": "0001-01-01T00:00:00.000Z"},
    ]


def test_the_list_is_in_the_order_of_versions(fleet: Fleet) -> None:
    for version in ("1.10.0", "1.2.0", "1.2.0-rc.1", "1.2.0+b", "1.2.0+a", "2.0.0"):
        fleet.make(version)
    listed = [item["version"] for item in fleet.caller.get(fleet.software).json()]
    assert listed == ["1.2.0-rc.1", "1.2.0", "1.2.0+a", "1.2.0+b", "1.10.0", "2.0.0"]


def test_an_application_without_software_has_an_empty_list(fleet: Fleet) -> None:
    reply = fleet.caller.get(fleet.software)
    assert (reply.status_code, reply.json()) == (200, [])


def test_a_version_is_made_once(fleet: Fleet) -> None:
    fleet.make("1.0.0", metadata="first")
    reply = fleet.post("1.0.0", metadata="second")
    assert (reply.status_code, message(reply)) == (
        400,
        "software 1.0.0 exists already, or is being deleted",
    )
    assert fleet.show("1.0.0")["metadata"] == "first"


def test_a_put_changes_all_but_the_specification(fleet: Fleet) -> None:
    fleet.make("1.0.0", specification={"v": 1}, metadata={"a": 1}, upgradableFrom=["0.9.0"])
    change = {
        "rolloutStrategy": "targeted",
        "filters": [{"filterId": "canary"}],
        "metadata": [1.0],
        "specification": "something else",
        "appName": "other",
        "version": "9.9.9",
    }
    reply = fleet.caller.put(f"{fleet.software}/1.0.0", json=change)
    assert (reply.status_code, reply.content) == (204, b"")
    assert fleet.show("1.0.0") == {
        "appName": fleet.name,
        "version": "1.0.0",
        "specification": {"v": 1},
        "metadata": [1.0],
        "rolloutStrategy": "targeted",
        "filters": [{"filterId": "canary"}],
    }
    assert fleet.caller.put(f"{fleet.software}/1.0.0", json=GENERAL).status_code == 204
    assert fleet.show("1.0.0") == {
        "appName": fleet.name,
        "version": "1.0.0",
        "specification": {"v": 1},
        "rolloutStrategy": "general",
        "filters": [],
    }


def test_a_put_makes_nothing(fleet: Fleet) -> None:
    reply = fleet.caller.put(f"{fleet.software}/1.0.0", json=GENERAL)
    assert (reply.status_code, message(reply)) == (
        404,
        "there is no software 1.0.0 in the application",
    )
    assert fleet.caller.get(fleet.software).json() == []


@pytest.mark.parametrize(
    "version",
    ["1", "1.0", "v1.0.0", "1.0.0.0", "01.0.0", "1.0.0-01", "latest", "9" * 5000 + ".0.0"],
)
@pytest.mark.parametrize("method", ["GET", "PUT", "POST"])
def test_what_is_no_semantic_version_is_refused(fleet: Fleet, method: str, version: str) -> None:
    reply = fleet.caller.request(method, f"{fleet.software}/{version}", json=GENERAL)
    assert reply.status_code == 400
    assert message(reply).startswith("softwareVersion: must be a semantic version")


def test_a_version_that_is_not_there_is_not_found(fleet: Fleet) -> None:
    reply = fleet.caller.get(f"{fleet.software}/1.0.0-beta.2+exp.5")
    assert reply.status_code == 404
    assert message(reply) == "there is no software 1.0.0-beta.2+exp.5 in the application"


MANY = b",".join([b'{"filterId": "a"}'] * 201)
BAD: list[tuple[bytes, str]] = [
    (b"", "the body is empty; JSON is expected"),
    (b"{", "the body is not JSON: "),
    (b"\xff", "the body is not JSON: "),
    (b"[]", "expected object, got array"),
    (b"null", "expected object, got null"),
    (b"{}", "object missing required field rolloutStrategy"),
    (b'{"rolloutStrategy": 1}', "rolloutStrategy: expected string, got integer"),
    (b'{"rolloutStrategy": "all"}', "rolloutStrategy: must be one of suspended, targeted, general"),
    (b'{"rolloutStrategy": "General"}', "rolloutStrategy: must be one of"),
    (b'{"rolloutStrategy": "general", "filters": {}}', "filters: expected array, got object"),
    (b'{"rolloutStrategy": "general", "filters": [1]}', "filters[0]: expected object, got integer"),
    (
        b'{"rolloutStrategy": "general", "filters": [{}]}',
        "filters[0]: object missing required field filterId",
    ),
    (
        b'{"rolloutStrategy": "general", "filters": [{"filterId": ""}]}',
        "filters[0].filterId: must have 1 to 1024 characters",
    ),
    (
        b'{"rolloutStrategy": "general", "filters": [{"filterId": "a", "rolloutDate": 1}]}',
        "filters[0].rolloutDate: expected string, got integer",
    ),
    (
        b'{"rolloutStrategy": "general", "upgradableFrom": "1.0.0"}',
        "upgradableFrom: expected array",
    ),
    (
        b'{"rolloutStrategy": "general", "upgradableFrom": ["1.0"]}',
        "upgradableFrom[0]: must be a semantic version",
    ),
    (
        b'{"rolloutStrategy": "general", "upgradableFrom": ["1.0.0", "1.0.0"]}',
        "upgradableFrom: names a version twice",
    ),
    (b'{"rolloutStrategy": "general", "metadata": NaN}', "the body is not JSON: "),
    (b'{"rolloutStrategy": "general", "metadata": "\xff"}', "metadata: is not UTF-8"),
    (
        b'{"rolloutStrategy": "general", "metadata": %s%s}' % (b"[" * 65, b"]" * 65),
        "metadata: is nested deeper than 64 levels",
    ),
    (
        b'{"rolloutStrategy": "general", "metadata": %s%s}' % (b"[" * 90_000, b"]" * 90_000),
        "the body is nested too deeply",
    ),
    (
        b'{"rolloutStrategy": "general", "metadata": "%s"}' % (b"x" * 65_535),
        "metadata: is longer than 65536 characters of JSON",
    ),
    (
        b'{"rolloutStrategy": "general", "filters": [%s]}' % MANY,
        "filters: may have at most 200 entries",
    ),
]


@pytest.mark.parametrize(("body", "text"), BAD)
@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_what_is_wrong_with_a_body_is_told_and_changes_nothing(
    fleet: Fleet, method: str, body: bytes, text: str
) -> None:
    version = "1.0.0" if method == "PUT" else "2.0.0"
    fleet.make("1.0.0", metadata="kept")
    before = fleet.caller.get(fleet.software).json()
    reply = fleet.caller.request(method, f"{fleet.software}/{version}", content=body)
    assert reply.status_code == 400
    assert message(reply).startswith(text)
    assert fleet.caller.get(fleet.software).json() == before


@pytest.mark.parametrize(
    "date",
    ["", "2019-04-20", "2019-04-20T11:19:57", "2019-04-20T11:19:57+00:00", "2019-02-31T00:00:00Z",
     "2019-04-20T11:19:57.1234567Z", "2019-04-20 11:19:57Z"],
)  # fmt: skip
def test_a_date_of_another_form_is_refused(fleet: Fleet, date: str) -> None:
    reply = fleet.post("1.0.0", filters=[{"filterId": "a", "rolloutDate": date}])
    assert reply.status_code == 400
    assert message(reply).startswith("filters[0].rolloutDate: is no date")


def test_whatever_the_depth_of_a_text_it_is_told(fleet: Fleet) -> None:
    for depth in range(850, 1010):
        metadata = b"[" * depth + b"]" * depth
        body = b'{"rolloutStrategy": "general", "metadata": %s}' % metadata
        reply = fleet.caller.post(f"{fleet.software}/1.0.0", content=body)
        assert (reply.status_code, "nested" in message(reply)) == (400, True), depth


def test_the_largest_text_fits(fleet: Fleet) -> None:
    fleet.make("1.0.0", metadata="x" * 65_534)
    assert len(fleet.show("1.0.0")["metadata"]) == 65_534


@pytest.mark.parametrize(
    "given", ["application/json", "APPLICATION/JSON; charset=utf-8", "application/vnd.kaa+json"]
)
def test_json_may_be_called_by_any_of_its_names(fleet: Fleet, given: str) -> None:
    headers = {"Content-Type": given}
    path = f"{fleet.software}/1.0.0"
    assert fleet.caller.post(path, json=GENERAL, headers=headers).status_code == 201


@pytest.mark.parametrize("given", ["text/plain", "application/x-www-form-urlencoded", ""])
@pytest.mark.parametrize("base", ["", "versions/"])
@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_a_body_of_another_type_is_refused(
    fleet: Fleet, method: str, base: str, given: str
) -> None:
    fleet.make("1.0.0")
    version = "1.0.0" if method == "PUT" else "2.0.0"
    headers = {"Content-Type": given}
    reply = fleet.caller.request(
        method, f"{fleet.software}/{base}{version}", json=GENERAL, headers=headers
    )
    assert (reply.status_code, message(reply)) == (415, "the body must be application/json")


@pytest.mark.parametrize("base", ["", "versions/"])
@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_a_body_that_is_too_large_is_refused(fleet: Fleet, method: str, base: str) -> None:
    fleet.make("1.0.0")
    version = "1.0.0" if method == "PUT" else "2.0.0"
    body = b"x" * (1024 * 1024 + 1)
    reply = fleet.caller.request(method, f"{fleet.software}/{base}{version}", content=body)
    assert (reply.status_code, message(reply)) == (413, "the body is larger than 1048576 bytes")


def test_long_versions_are_kept_apart(fleet: Fleet, reader: httpx.Client) -> None:
    long = "1.0.0-" + "a" * 1000
    fleet.make(long + "b")
    fleet.make(long + "c")
    assert len(fleet.caller.get(fleet.software).json()) == 2
    assert fleet.post("1.0.0-" + "a" * 1020).status_code == 400
    assert reader.get(fleet.software).status_code == 404
