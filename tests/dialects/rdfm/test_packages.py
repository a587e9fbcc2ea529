"""Packages: upload, list, fetch, delete."""

import hashlib
import http.client
import secrets
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.dialects.rdfm.fleet import Fleet, error_text
from tests.dialects.waiting import eventually
from tests.facade_fixtures import StartFacade

FIELDS = {"rdfm.software.version": "v1", "rdfm.hardware.devtype": "dummy"}
KEYS = {"id", "created", "sha256", "driver", "metadata"}


def upload(
    caller: httpx.Client, fields: dict[str, str], *, name: str | None = "f.img"
) -> httpx.Response:
    return caller.post("/api/v1/packages", data=fields, files={"file": (name, b"content")})


def test_an_upload_answers_with_the_package(fleet: Fleet) -> None:
    content = secrets.token_bytes(100_000)
    package = fleet.package("v10", "dummy", content=content, note="hello")
    assert set(package) == KEYS
    assert package["sha256"] == hashlib.sha256(content).hexdigest()
    assert package["driver"] == "local"
    assert package["created"].endswith(" GMT")
    assert package["metadata"]["note"] == "hello"
    assert package["metadata"]["rdfm.software.version"] == "v10"
    assert package["metadata"]["rdfm.hardware.devtype"] == "dummy"
    assert package["metadata"]["rdfm.storage.local.length"] == 100_000
    assert package["metadata"]["rdfm.storage.local.directory"] == "."
    assert len(package["metadata"]["rdfm.storage.local.uuid"]) == 36


def test_a_package_is_shown_alone_and_in_the_list_alike(fleet: Fleet, reader: httpx.Client) -> None:
    package = fleet.package()
    single = reader.get(f"/api/v1/packages/{package['id']}")
    assert (single.status_code, single.json()) == (200, package)
    listed = reader.get("/api/v1/packages")
    assert listed.status_code == 200
    assert package in listed.json()


def test_packages_are_listed_in_the_order_of_their_identifiers(fleet: Fleet) -> None:
    fleet.package()
    fleet.package()
    ids = [item["id"] for item in fleet.manager.get("/api/v1/packages").json()]
    assert ids == sorted(ids)


def test_the_same_version_may_be_uploaded_twice(fleet: Fleet) -> None:
    assert fleet.package("same")["id"] != fleet.package("same")["id"]


def test_requirements_come_back_as_they_were_sent(fleet: Fleet) -> None:
    package = fleet.package(requires__rdfm_software_version="v0")
    assert package["metadata"]["requires:rdfm.software.version"] == "v0"


def test_the_first_of_repeated_fields_counts(fleet: Fleet) -> None:
    reply = fleet.manager.post(
        "/api/v1/packages",
        data={**FIELDS, "note": ["first", "second"]},
        files={"file": ("f", b"x")},
    )
    assert reply.json()["metadata"]["note"] == "first"


@pytest.mark.parametrize("directory", ["canary", "canary/2026.1/arm"])
def test_a_package_may_go_into_a_folder_of_its_own(
    fleet: Fleet, anonymous: httpx.Client, directory: str
) -> None:
    reply = upload(fleet.manager, {**FIELDS, "rdfm.storage.directory": directory})
    assert reply.status_code == 200
    assert reply.json()["metadata"]["rdfm.storage.local.directory"] == directory
    assert "rdfm.storage.directory" not in reply.json()["metadata"]
    assert anonymous.get(_link(fleet, reply.json())).content == b"content"


BAD_FORMS = {
    "no version": {"rdfm.software.version": None},
    "no type": {"rdfm.hardware.devtype": None},
    "an empty version": {"rdfm.software.version": ""},
    "an empty type": {"rdfm.hardware.devtype": ""},
    "a reserved key": {"rdfm.storage.local.uuid": "x"},
    "another reserved key": {"rdfm.storage.s3.size": "1"},
    "a requirement of nothing": {"requires:": "x"},
    "a folder that climbs out": {"rdfm.storage.directory": "../x"},
    "a folder at the root": {"rdfm.storage.directory": "/etc"},
    "a hidden folder": {"rdfm.storage.directory": ".x"},
    "a folder that is endless": {"rdfm.storage.directory": "x" * 300},
    "an endless version": {"rdfm.software.version": "x" * 2000},
}


@pytest.mark.parametrize("changes", BAD_FORMS.values(), ids=BAD_FORMS.keys())
def test_a_form_at_fault_is_refused(fleet: Fleet, changes: dict[str, str | None]) -> None:
    before = fleet.manager.get("/api/v1/packages").json()
    fields = {k: v for k, v in {**FIELDS, **changes}.items() if v is not None}
    reply = upload(fleet.manager, fields)
    assert reply.status_code == 400
    assert next(iter(changes)) in error_text(reply)
    assert fleet.manager.get("/api/v1/packages").json() == before


BAD_UPLOADS: dict[str, dict[str, Any]] = {
    "no file": {"data": FIELDS, "files": {"other": ("f", b"x")}},
    "a file without a name": {"data": FIELDS, "files": {"file": (None, b"x")}},
    "a plain form": {"data": FIELDS},
    "json": {"json": FIELDS},
    "nothing": {},
    "no boundary": {"content": b"x", "headers": {"Content-Type": "multipart/form-data"}},
    "a body that is cut off": {
        "content": b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\nx',
        "headers": {"Content-Type": "multipart/form-data; boundary=b"},
    },
    "a body that is no form": {
        "content": b"nonsense",
        "headers": {"Content-Type": "multipart/form-data; boundary=b"},
    },
}


@pytest.mark.parametrize("request_", BAD_UPLOADS.values(), ids=BAD_UPLOADS.keys())
def test_an_upload_without_a_proper_file_is_refused(fleet: Fleet, request_: dict[str, Any]) -> None:
    reply = fleet.manager.post("/api/v1/packages", **request_)
    assert reply.status_code == 400
    error_text(reply)


def test_a_refused_upload_leaves_no_file(fleet: Fleet) -> None:
    directory = fleet.server.settings.artifacts.directory
    before = {path for path in directory.rglob("*") if path.is_file()}
    assert upload(fleet.manager, {"rdfm.software.version": "v1"}).status_code == 400
    after = {path for path in directory.rglob("*") if path.is_file()}
    assert after == before


def test_a_file_that_is_too_large_is_refused(start_facade: StartFacade) -> None:
    with start_facade(artifacts={"maximum_size": 1000}, insecure=True) as server:
        with server.client() as caller:
            reply = caller.post(
                "/api/v1/packages", data=FIELDS, files={"file": ("f", b"x" * 2_000_000)}
            )
        assert reply.status_code == 413
        error_text(reply)


def test_a_package_that_is_deleted_is_gone(fleet: Fleet) -> None:
    package = fleet.package()
    path = f"/api/v1/packages/{package['id']}"
    fleet.done(fleet.manager.delete(path))
    for reply in (fleet.manager.get(path), fleet.manager.delete(path)):
        assert reply.status_code == 404
        error_text(reply)
    assert package["id"] not in [
        item["id"] for item in fleet.manager.get("/api/v1/packages").json()
    ]


def test_a_package_that_a_group_has_cannot_be_deleted(fleet: Fleet) -> None:
    package = fleet.package()
    group = fleet.group(packages=[package["id"]])
    reply = fleet.manager.delete(f"/api/v1/packages/{package['id']}")
    assert reply.status_code == 409
    assert error_text(reply) == "delete failed, the package is assigned to at least one group"
    fleet.done(fleet.manager.post(f"/api/v1/groups/{group}/package", json={"packages": []}))
    fleet.done(fleet.manager.delete(f"/api/v1/packages/{package['id']}"))


def test_a_download_link_leads_to_the_file(fleet: Fleet, anonymous: httpx.Client) -> None:
    content = secrets.token_bytes(5000)
    package = fleet.package(content=content)
    reply = fleet.manager.get(f"/api/v1/packages/{package['id']}/download")
    assert set(reply.json()) == {"id", "download_url"}
    assert reply.json()["id"] == package["id"]
    link = reply.json()["download_url"]
    assert link.startswith(f"{fleet.server.url}/local_storage/")
    fetched = anonymous.get(link)
    assert (fetched.status_code, fetched.content) == (200, content)
    assert fetched.headers["content-type"] == "application/octet-stream"
    assert fetched.headers["accept-ranges"] == "bytes"


def test_a_download_goes_on_where_it_was_cut_off(fleet: Fleet, anonymous: httpx.Client) -> None:
    content = secrets.token_bytes(5000)
    link = _link(fleet, fleet.package(content=content))
    first = anonymous.get(link, headers={"Range": "bytes=0-"})
    assert (first.status_code, first.headers["content-length"]) == (206, "5000")
    rest = anonymous.get(link, headers={"Range": "bytes=4000-"})
    assert (rest.status_code, rest.content) == (206, content[4000:])
    beyond = anonymous.get(link, headers={"Range": "bytes=5000-"})
    assert beyond.status_code == 416


def test_the_head_of_a_file_tells_its_length(fleet: Fleet, anonymous: httpx.Client) -> None:
    reply = anonymous.head(_link(fleet, fleet.package(content=b"x" * 77)))
    assert (reply.status_code, reply.headers["content-length"]) == (200, "77")


def test_a_link_is_made_for_the_address_that_the_client_used(fleet: Fleet) -> None:
    package = fleet.package()
    path = f"/api/v1/packages/{package['id']}/download"
    reply = fleet.manager.get(path, headers={"Host": "updates.example.com:8443"})
    assert reply.json()["download_url"].startswith("http://updates.example.com:8443/local_storage/")


def test_a_host_that_is_none_makes_no_link(fleet: Fleet) -> None:
    package = fleet.package()
    path = f"/api/v1/packages/{package['id']}/download"
    reply = fleet.manager.get(path, headers={"Host": "evil.example/x?"})
    assert reply.json()["download_url"].startswith(f"{fleet.server.url}/local_storage/")


def test_without_its_signature_a_link_leads_nowhere(fleet: Fleet, anonymous: httpx.Client) -> None:
    link = _link(fleet, fleet.package())
    reply = anonymous.get(link.partition("?")[0])
    assert reply.status_code == 403
    error_text(reply)


@pytest.mark.parametrize(
    "path",
    [
        "/local_storage/../../etc/passwd",
        "/local_storage/..%2f..%2fetc%2fpasswd",
        "/local_storage/%2e%2e/%2e%2e/etc/passwd",
        "/local_storage//etc/passwd",
        "/local_storage/",
        "/local_storage",
        "/local_storage/.incoming",
    ],
)
def test_paths_that_climb_out_lead_nowhere(fleet: Fleet, path: str) -> None:
    # A client library would tidy the path up before sending it.
    connection = http.client.HTTPConnection("127.0.0.1", fleet.server.port, timeout=30)
    connection.request("GET", path)
    reply = connection.getresponse()
    body = reply.read()
    connection.close()
    assert reply.status in {403, 404}
    assert b'"error"' in body


def test_the_file_of_a_deleted_package_goes_too(fleet: Fleet) -> None:
    package = fleet.package()
    name = package["metadata"]["rdfm.storage.local.uuid"]
    directory = fleet.server.settings.artifacts.directory
    assert list(directory.rglob(name))
    fleet.manager.delete(f"/api/v1/packages/{package['id']}")
    eventually(lambda: not list(directory.rglob(name)))


def test_no_package_at_all_is_the_empty_list_to_the_byte(empty: httpx.Client) -> None:
    reply = empty.get("/api/v1/packages")
    assert (reply.status_code, reply.content) == (200, b"[]\n")


@pytest.fixture
def empty(start_facade: StartFacade) -> Iterator[httpx.Client]:
    with start_facade(insecure=True) as server, server.client() as caller:
        yield caller


def _link(fleet: Fleet, package: dict[str, Any]) -> str:
    reply = fleet.manager.get(f"/api/v1/packages/{package['id']}/download")
    link: str = reply.json()["download_url"]
    assert urlsplit(link).query
    return link
