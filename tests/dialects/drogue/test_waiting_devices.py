"""Devices that wait for a command while what they may do changes."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from urllib.parse import quote

import httpx
import pytest

from polyfleet.fleet.instants import timestamp
from polyfleet.fleet.objects.kinds import COMMANDS
from tests.dialects.drogue.inbox import PASSWORD, fetch, secured, send
from tests.dialects.drogue.registry import Registry, apps, device, devices
from tests.facade_fixtures import FacadeServer


@pytest.fixture
def waiting(
    server: FacadeServer, app: str, name: str, itself: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Future[httpx.Response]]:
    """The answer to a request of the device that is already waiting for a command."""
    seen, activity = threading.Event(), server.facade.activity
    # Between this and its wait the request lets nothing else run.
    monkeypatch.setattr(activity, "seen", lambda _: seen.set())
    with ThreadPoolExecutor(1) as pool:
        reply = pool.submit(fetch, itself, app, name, timeout=25)
        assert seen.wait(30)
        yield reply


def test_a_new_password_turns_away_whoever_waits_with_the_old_one(
    registry: Registry, app: str, name: str, waiting: Future[httpx.Response]
) -> None:
    body = device(app, name, spec=secured("another"))
    assert registry.owner.put(devices(app, name), json=body).status_code == 204
    assert send(registry, app, name, "secret").status_code == 202
    assert waiting.result(30).status_code == 401
    with registry.server.client(auth=(f"{quote(name, safe='')}@{app}", "another")) as caller:
        assert fetch(caller, app, name).headers["command"] == "secret"


@pytest.mark.parametrize("password", ["another", PASSWORD])
def test_a_device_made_again_is_not_the_one_that_waits(
    registry: Registry,
    app: str,
    name: str,
    waiting: Future[httpx.Response],
    password: str,
) -> None:
    assert registry.owner.delete(devices(app, name)).status_code == 204
    registry.device(app, name, spec=secured(password))
    assert send(registry, app, name, "secret").status_code == 202
    assert waiting.result(30).status_code in ({401, 404} if password == PASSWORD else {401})
    with registry.server.client(auth=(f"{quote(name, safe='')}@{app}", password)) as caller:
        assert fetch(caller, app, name).headers["command"] == "secret"


def test_a_disabled_application_turns_away_whoever_waits(
    registry: Registry, app: str, name: str, waiting: Future[httpx.Response]
) -> None:
    facade = registry.server.facade
    spec = {
        "application": app,
        "device": name,
        "name": "by hand",
        "expiresAt": timestamp(facade.clock() + timedelta(minutes=5)),
    }
    body = {"metadata": {"name": app}, "spec": {"core": {"disabled": True}}}
    assert registry.owner.put(apps(app), json=body).status_code == 204
    registry.server.call(facade.writer.create(COMMANDS, f"late-{app}", spec))
    assert waiting.result(30).status_code == 401


def test_a_device_that_changes_otherwise_still_waits(
    registry: Registry, app: str, name: str, waiting: Future[httpx.Response]
) -> None:
    body = device(app, name, spec={**secured(PASSWORD), "note": "changed"})
    assert registry.owner.put(devices(app, name), json=body).status_code == 204
    assert send(registry, app, name, "go").status_code == 202
    assert waiting.result(30).headers["command"] == "go"
