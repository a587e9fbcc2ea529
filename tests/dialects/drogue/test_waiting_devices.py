"""Devices that wait for a command while what they may do changes."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from polyfleet.fleet.instants import timestamp
from polyfleet.fleet.objects.kinds import COMMANDS, DEVICES
from polyfleet.kube.devices import find_device
from tests.dialects.drogue.inbox import PASSWORD, fetch, secured, send
from tests.dialects.drogue.registry import Registry, apps, device, devices
from tests.dialects.waiting import eventually
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


@pytest.fixture
def at_delivery(
    server: FacadeServer, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Callable[[], None]], None]:
    """Do something once, when a command was just written down as delivered."""
    update, left = server.facade.writer.update, []

    async def update_and_more(kind: Any, *arguments: Any, **options: Any) -> Any:
        written = await update(kind, *arguments, **options)
        if kind is COMMANDS and left:
            await asyncio.to_thread(left.pop())
        return written

    monkeypatch.setattr(server.facade.writer, "update", update_and_more)
    return left.append


@pytest.mark.parametrize("waits", [False, True])
def test_a_password_that_changes_at_the_delivery_opens_nothing(  # noqa: PLR0917 - fixtures
    registry: Registry,
    app: str,
    name: str,
    itself: httpx.Client,
    at_delivery: Callable[[Callable[[], None]], None],
    waits: bool,
) -> None:
    def change() -> None:
        body = device(app, name, spec=secured("another"))
        with registry.server.client(auth=(registry.owner.name, registry.owner.token)) as caller:
            assert caller.put(devices(app, name), json=body).status_code == 204

    at_delivery(change)
    with ThreadPoolExecutor(1) as pool:
        reply = pool.submit(fetch, itself, app, name, timeout=25) if waits else None
        assert send(registry, app, name, "secret").status_code == 202
        reply = reply or pool.submit(fetch, itself, app, name)
        assert reply.result(60).status_code == 401
    with registry.server.client(auth=(f"{quote(name, safe='')}@{app}", "another")) as caller:
        assert fetch(caller, app, name).headers["command"] == "secret"


def test_what_kubectl_changes_at_the_delivery_counts_before_it_is_seen(
    registry: Registry,
    app: str,
    name: str,
    itself: httpx.Client,
    at_delivery: Callable[[Callable[[], None]], None],
) -> None:
    server = registry.server
    found = find_device(server.facade.cache.devices, app, name)
    assert found is not None
    object_name, uid = found.metadata.name, found.metadata.uid

    def lock(locked: bool) -> None:
        patch = {"spec": {"disabled": locked}}
        server.call(server.facade.client.patch(DEVICES, object_name, patch))

    at_delivery(lambda: lock(True))
    assert send(registry, app, name, "secret").status_code == 202
    assert fetch(itself, app, name).status_code == 401
    lock(False)
    eventually(lambda: not server.facade.cache.devices.by_uid(uid).spec.disabled)
    assert fetch(itself, app, name).headers["command"] == "secret"
