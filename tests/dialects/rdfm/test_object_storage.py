"""Packages whose files lie in S3-compatible object storage."""

import hashlib
import secrets
from typing import Any

import httpx

from tests.dialects.rdfm.fleet import Fleet
from tests.dialects.waiting import eventually
from tests.facade_fixtures import StartFacade


def test_a_device_fetches_its_update_from_the_bucket(
    start_facade: StartFacade, object_storage: Any
) -> None:
    bucket = object_storage.folder / secrets.token_hex(8)
    bucket.mkdir()
    s3 = {
        "bucket": bucket.name,
        "endpoint": object_storage.endpoint,
        "access_key_id": object_storage.access_key_id,
        "secret_access_key": object_storage.secret_access_key,
    }
    artifacts = {"driver": "s3", "s3": s3}
    content = secrets.token_bytes(100_000)
    with start_facade(insecure=True, artifacts=artifacts) as server, server.client() as caller:
        fleet = Fleet(server, caller, caller)
        device, serial = fleet.device()
        fields = {"rdfm.software.version": "v1", "rdfm.hardware.devtype": "dummy"}
        package = caller.post(
            "/api/v1/packages",
            data={**fields, "rdfm.storage.directory": "arm/2026"},
            files={"file": ("f.img", content)},
        ).json()
        name = package["metadata"].pop("rdfm.storage.s3.uuid")
        assert package["metadata"] == {
            **fields,
            "rdfm.storage.s3.size": 100_000,
            "rdfm.storage.s3.directory": "arm/2026",
        }
        assert package["driver"] == "s3"
        assert (bucket / "arm" / "2026" / name).is_file()

        group = fleet.group(devices=[serial], packages=[package["id"]], policy="exact_match,v1")
        offer = device.check().json()
        linked = caller.get(f"/api/v1/packages/{package['id']}/download").json()
        for link in (offer["uri"], linked["download_url"]):
            assert link.startswith(object_storage.endpoint)
            whole = httpx.get(link, headers={"Range": "bytes=0-"}, trust_env=False)
            assert (whole.status_code, whole.content) == (206, content)
            assert whole.headers["content-length"] == "100000"
            assert hashlib.sha256(whole.content).hexdigest() == offer["sha256"]
            rest = httpx.get(link, headers={"Range": "bytes=99000-"}, trust_env=False)
            assert rest.content == content[99_000:]

        fleet.done(caller.post(f"/api/v1/groups/{group}/package", json={"packages": []}))
        fleet.done(caller.delete(f"/api/v1/packages/{package['id']}"))
        eventually(lambda: not (bucket / "arm" / "2026" / name).exists())
