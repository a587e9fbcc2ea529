"""Opening and closing a facade."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from polyfleet.api.app import create_app
from polyfleet.api.settings import Settings
from polyfleet.api.startup import open_facade
from polyfleet.fleet.objects.kinds import Kind
from polyfleet.kube.client import Client
from polyfleet.kube.errors import Invalid
from tests.facade_fixtures import FacadeServer, StartFacade


def test_the_default_application_is_made(
    facade_server: FacadeServer, kubectl: Callable[..., str]
) -> None:
    made = json.loads(kubectl("get", "applications", "default", "-o", "json"))
    assert made["spec"]["name"] == "default"
    assert made["spec"]["createdAt"].endswith("Z")


def test_an_api_server_that_cannot_stream_lists_is_read_page_by_page(
    start_facade: StartFacade, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = Client.watch

    def of_old(self: Client, kind: Kind[Any], **options: Any) -> Any:
        if options.get("initial_events"):
            raise Invalid(422, "Invalid", "sendInitialEvents is forbidden")
        return watch(self, kind, **options)

    monkeypatch.setattr(Client, "watch", of_old)
    with capture_logs() as lines, start_facade() as server, server.client() as caller:
        assert caller.get("/readyz").status_code == 200
    assert "pods cannot be read" not in [line["event"] for line in lines]


def test_another_name_for_it_can_be_chosen(
    start_facade: StartFacade, kubectl: Callable[..., str]
) -> None:
    with start_facade(default_application="factory"):
        assert "factory" in kubectl("get", "applications", "-o", "name")


def test_two_replicas_start_side_by_side(start_facade: StartFacade) -> None:
    with start_facade() as one, start_facade() as other:
        token = one.user_token("ada", administrator=True)
        applications = other.facade.cache.applications
        assert other.call(applications.wait_for_version("default", "0", 10))
        user = one.facade.cache.users.get("ada")
        assert user is not None
        version = user.metadata.resource_version
        assert other.call(other.facade.cache.users.wait_for_version("ada", version, 10))
        tokens = list(one.facade.cache.access_tokens.values())
        for item in tokens:
            meta = item.metadata
            store = other.facade.cache.access_tokens
            assert other.call(store.wait_for_version(meta.name, meta.resource_version, 10))
        with other.client(token) as client:
            assert client.get("/polyfleet/v1/whoami").json()["name"] == "ada"


def test_what_waits_is_written_when_it_stops(
    start_facade: StartFacade, kubectl: Callable[..., str]
) -> None:
    kubectl("apply", "-f", "-", stdin=json.dumps(device("d1")))
    with start_facade() as server:
        facade = server.facade
        found = facade.cache.devices.get("default.d1")
        assert found is not None

        async def report() -> None:
            facade.reports.offered(found, "kettle-2")
            facade.activity.seen(found)

        server.call(report())
    status = json.loads(kubectl("get", "device", "default.d1", "-o", "json"))["status"]
    assert status["update"]["package"] == "kettle-2"
    assert status["lastSeen"]


async def test_an_application_that_was_not_started_says_so() -> None:
    with pytest.raises(RuntimeError, match="not started"):
        await create_app(Settings())({"type": "http", "path": "/"}, None, None)  # type: ignore[arg-type]


async def test_without_an_api_server_it_does_not_start(tmp_path: Path) -> None:
    settings = Settings(kubeconfig=tmp_path / "absent")
    with pytest.raises(Exception, match="absent"):
        async with open_facade(settings, CollectorRegistry()):
            pass


def test_the_process_tells_wrong_settings_and_ends(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "polyfleet.api"],
        env={"POLYFLEET_PORT": "many", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=tmp_path,
    )
    assert done.returncode == 2
    assert "port" in done.stderr


def device(name: str) -> dict[str, object]:
    return {
        "apiVersion": "polyfleet.dev/v1alpha1",
        "kind": "Device",
        "metadata": {"name": f"default.{name}"},
        "spec": {"application": "default", "deviceId": name},
    }
