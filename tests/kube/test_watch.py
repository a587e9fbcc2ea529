"""A store follows a real API server through cuts, refusals, silence, and restarts."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from prometheus_client import CollectorRegistry

from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.kinds import DEVICES
from polyfleet.kube.client import Client
from polyfleet.kube.configuration import load_connection
from polyfleet.kube.store import Store
from polyfleet.kube.watch import Watcher
from polyfleet.local.cluster import program_folder
from polyfleet.local.control_plane import ControlPlane
from polyfleet.local.install import install_definitions
from polyfleet.local.processes import stop
from tests.kube.conftest import Eventually
from tests.kube.objects import SPEC, bookmark, device_document, event, status
from tests.kube.servers import Proxy, Reply, ScriptedServer


@asynccontextmanager
async def _followed(client: Client, **options: Any) -> AsyncIterator[Store[Device]]:
    store: Store[Device] = Store(DEVICES)
    task = asyncio.create_task(Watcher(client, DEVICES, store, **options).run())
    try:
        yield store
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def _scripted(
    registry: CollectorRegistry, *replies: Reply, **options: Any
) -> AsyncIterator[tuple[ScriptedServer, Store[Device]]]:
    async with (
        ScriptedServer(*replies) as server,
        Client(
            server.connection, namespace="test", field_manager="test", registry=registry
        ) as client,
        _followed(client, **options) as store,
    ):
        yield server, store


async def _create(client: Client, *names: str) -> None:
    for name in names:
        await client.create(
            DEVICES, {"metadata": {"name": name}, "spec": {**SPEC, "deviceId": name}}
        )


def _names(store: Store[Device]) -> set[str]:
    return {item.metadata.name for item in store.values()}


def _relists(registry: CollectorRegistry) -> float:
    return registry.get_sample_value("polyfleet_relists_total", {"kind": "Device"}) or 0


def _restarts(registry: CollectorRegistry, cause: str) -> float:
    labels = {"kind": "Device", "cause": cause}
    return registry.get_sample_value("polyfleet_watch_restarts_total", labels) or 0


@pytest.mark.parametrize("streaming", [True, False], ids=["stream", "pages"])
async def test_all_objects_are_read_and_changes_follow(
    client: Client, eventually: Eventually, streaming: bool
) -> None:
    await _create(client, "a", "b")
    async with _followed(client, streaming=streaming) as store:
        await store.wait_synced()
        assert _names(store) == {"a", "b"}

        await _create(client, "c")
        await client.patch(DEVICES, "a", {"spec": {"hold": True}})
        await client.delete(DEVICES, "b")
        await eventually(lambda: _names(store) == {"a", "c"})

        await eventually(lambda: store.get("a").spec.hold)  # type: ignore[union-attr]


async def test_a_list_longer_than_a_page_is_read_whole(client: Client) -> None:
    async with asyncio.TaskGroup() as group:
        for number in range(510):
            group.create_task(_create(client, f"d{number}"))
    async with _followed(client, streaming=False) as store:
        await store.wait_synced()

        assert len(store) == 510


async def test_after_a_cut_the_watch_goes_on_where_it_was(
    client: Client,
    proxied: Client,
    proxy: Proxy,
    registry: CollectorRegistry,
    eventually: Eventually,
) -> None:
    await _create(client, "a", "b")
    async with _followed(proxied) as store:
        await store.wait_synced()
        for name in ("c", "d", "e"):
            proxy.cut()
            await _create(client, name)
            await eventually(lambda name=name: store.get(name))  # type: ignore[misc]
        proxy.cut()
        await client.delete(DEVICES, "a")
        await eventually(lambda: store.get("a") is None)

    assert _relists(registry) == 1


async def test_a_server_that_refuses_for_a_while_is_caught_up_with(
    client: Client, proxied: Client, proxy: Proxy, eventually: Eventually
) -> None:
    await _create(client, "a")
    async with _followed(proxied) as store:
        await store.wait_synced()
        proxy.refuse()
        opened = proxy.opened
        await client.delete(DEVICES, "a")
        await _create(client, "b")
        await eventually(lambda: proxy.opened > opened + 1)
        proxy.accept()

        await eventually(lambda: _names(store) == {"b"})


async def test_a_server_that_is_away_at_first_is_waited_for(
    client: Client, proxied: Client, proxy: Proxy, eventually: Eventually
) -> None:
    await _create(client, "a")
    proxy.refuse()
    async with _followed(proxied) as store:
        await eventually(lambda: proxy.opened > 1)
        assert not store.synced
        proxy.accept()
        await eventually(lambda: store.synced)

        assert _names(store) == {"a"}


async def test_a_watch_over_a_dead_network_is_found_out_by_its_silence(
    client: Client,
    proxied: Client,
    proxy: Proxy,
    registry: CollectorRegistry,
    eventually: Eventually,
) -> None:
    async with _followed(proxied, idle_timeout=1.0) as store:
        await store.wait_synced()
        proxy.freeze()
        await _create(client, "a")
        await eventually(lambda: _restarts(registry, "idle"))
        assert store.get("a") is None
        proxy.accept()

        await eventually(lambda: store.get("a"))


async def test_a_quiet_server_is_asked_for_news_and_nothing_is_read_anew(
    client: Client, registry: CollectorRegistry, eventually: Eventually
) -> None:
    async with _followed(client, idle_timeout=5.0) as store:
        await store.wait_synced()
        await eventually(lambda: _restarts(registry, "idle"))
        await eventually(lambda: _restarts(registry, "ended"))

        assert store.seconds_since_progress() < 60
    assert _relists(registry) == 1


async def test_silence_even_after_asking_has_all_read_anew(
    registry: CollectorRegistry, eventually: Eventually
) -> None:
    replies = [
        _list(device_document("a", version=3), version=5),
        Reply(chunks=[], then="hang"),
        Reply(chunks=[]),
        Reply(
            chunks=[
                event("ADDED", device_document("b", version=8)),
                bookmark(9, initial_events_end=True),
            ],
            then="hang",
        ),
    ]
    async with _scripted(registry, *replies, streaming=False, idle_timeout=0.5) as (server, store):
        await eventually(lambda: _names(store) == {"b"})

        assert "resourceVersion=5" in server.received[2].target
        assert "sendInitialEvents=true" in server.received[3].target
    assert _restarts(registry, "idle") == 1


async def test_the_server_ending_the_watch_is_nothing_special(
    client: Client, registry: CollectorRegistry, eventually: Eventually
) -> None:
    async with _followed(client, server_timeout=1) as store:
        await store.wait_synced()
        await eventually(lambda: _restarts(registry, "ended") >= 2)
        await _create(client, "a")
        await eventually(lambda: store.get("a"))

    assert _relists(registry) == 1


async def test_a_restarted_api_server_is_followed_on(
    tmp_path: Path, registry: CollectorRegistry, eventually: Eventually
) -> None:
    binaries = program_folder(os.environ)
    plane = ControlPlane(tmp_path / "plane", binaries, fsync=False, ends_with_parent=True)
    await asyncio.to_thread(plane.start)
    try:
        await asyncio.to_thread(install_definitions, plane.kubeconfig)
        await _restart_and_follow(plane, registry, eventually)
    finally:
        await asyncio.to_thread(plane.stop)


async def _restart_and_follow(
    plane: ControlPlane, registry: CollectorRegistry, eventually: Eventually
) -> None:
    address = urlsplit(plane.url)
    connection = load_connection(plane.kubeconfig)
    async with Proxy("127.0.0.1", address.port or 0) as proxy:
        through = replace(connection, host=proxy.url)
        async with (
            Client(through, namespace="default", field_manager="test", registry=registry) as client,
            _followed(client) as store,
        ):
            await store.wait_synced()
            await _create(client, "before")
            await eventually(lambda: store.get("before"))
            await asyncio.to_thread(stop, plane.processes["kube-apiserver"], grace_seconds=0)
            await asyncio.to_thread(plane.start)
            proxy.target = ("127.0.0.1", urlsplit(plane.url).port or 0)
            await _create(client, "after")
            await eventually(lambda: store.get("after"))

            assert _names(store) == {"before", "after"}


def _list(*documents: dict[str, Any], version: int) -> Reply:
    metadata = {"resourceVersion": str(version)}
    return Reply(body={"metadata": metadata, "items": list(documents)})


async def test_a_version_too_old_has_all_read_anew(
    registry: CollectorRegistry, eventually: Eventually
) -> None:
    replies = [
        _list(device_document("a", version=3), device_document("b", version=4), version=5),
        Reply(chunks=[event("ERROR", status(410, "Expired"))]),
        Reply(
            chunks=[
                event("ADDED", device_document("a", version=3)),
                event("ADDED", device_document("c", version=8)),
                bookmark(9, initial_events_end=True),
            ],
            then="hang",
        ),
    ]
    async with _scripted(registry, *replies, streaming=False) as (server, store):
        await eventually(lambda: _names(store) == {"a", "c"})

        assert server.received[0].target.endswith("?limit=500")
        assert "resourceVersion=5" in server.received[1].target
        assert "sendInitialEvents=true" in server.received[2].target
    assert _relists(registry) == 2


async def test_a_server_that_cannot_stream_lists_is_read_in_pages(
    registry: CollectorRegistry, eventually: Eventually
) -> None:
    first = {
        "metadata": {"resourceVersion": "5", "continue": "next"},
        "items": [device_document("a", version=3)],
    }
    second = {"metadata": {"resourceVersion": "5"}, "items": [device_document("b", version=4)]}
    replies = [
        Reply(422, status(422, "Invalid", "sendInitialEvents is forbidden")),
        Reply(body=first),
        Reply(body=second),
        Reply(chunks=[event("DELETED", device_document("a", version=6))], then="hang"),
    ]
    async with _scripted(registry, *replies) as (server, store):
        await eventually(lambda: _names(store) == {"b"})

        assert "continue=next" in server.received[2].target


async def test_a_page_token_too_old_has_the_list_begun_again(
    registry: CollectorRegistry, eventually: Eventually
) -> None:
    first = {"metadata": {"resourceVersion": "5", "continue": "next"}, "items": []}
    replies = [
        Reply(body=first),
        Reply(410, status(410, "Expired")),
        _list(device_document("a", version=6), version=7),
    ]
    async with _scripted(registry, *replies, streaming=False) as (_, store):
        await eventually(lambda: _names(store) == {"a"})

    assert _restarts(registry, "expired") == 1


@pytest.mark.parametrize(
    ("reply", "cause"),
    [
        (Reply(429, status(429, "TooManyRequests"), {"Retry-After": "1"}), "throttled"),
        (Reply(500, status(500, "InternalError")), "error"),
        (Reply(403, status(403, "Forbidden")), "refused"),
        (Reply(401, status(401, "Unauthorized")), "refused"),
        (Reply(404, status(404, "NotFound")), "error"),
        (Reply(chunks=[b"garbage\n"]), "garbage"),
        (Reply(raw=b"", then="close"), "connection"),
        (Reply(chunks=[event("ERROR", status(500, "InternalError"))]), "error"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_after_any_failure_the_watch_goes_on_from_the_last_version(
    registry: CollectorRegistry, eventually: Eventually, reply: Reply, cause: str
) -> None:
    replies = [
        _list(device_document("a", version=3), version=5),
        Reply(chunks=[bookmark(7)]),
        reply,
        Reply(chunks=[event("ADDED", device_document("b", version=8))], then="hang"),
    ]
    async with _scripted(registry, *replies, streaming=False) as (server, store):
        await eventually(lambda: _names(store) == {"a", "b"})

        assert "resourceVersion=7" in server.received[-1].target
    assert _restarts(registry, cause) == 1
    assert _relists(registry) == 1


async def test_a_stream_that_ends_before_all_are_sent_shows_nothing_by_halves(
    registry: CollectorRegistry, eventually: Eventually
) -> None:
    replies = [
        Reply(chunks=[event("ADDED", device_document("a", version=3))]),
        _list(device_document("a", version=3), device_document("b", version=4), version=5),
    ]
    async with _scripted(registry, *replies) as (_, store):
        seen: list[int] = []
        store.subscribe(lambda _: seen.append(len(store)))
        await eventually(lambda: store.synced)

        assert seen == [2, 2]


async def test_a_history_that_went_back_has_all_read_anew(
    registry: CollectorRegistry, eventually: Eventually
) -> None:
    replies = [
        _list(device_document("lost", version=90), version=100),
        Reply(chunks=[bookmark(40)]),
        Reply(
            chunks=[
                event("ADDED", device_document("kept", version=30)),
                bookmark(41, initial_events_end=True),
            ],
            then="hang",
        ),
    ]
    async with _scripted(registry, *replies, streaming=False) as (_, store):
        await eventually(lambda: _names(store) == {"kept"})


async def test_an_object_that_became_unreadable_is_left_out(
    registry: CollectorRegistry, eventually: Eventually
) -> None:
    broken = device_document("a", version=6)
    broken["spec"] = 3
    replies = [
        _list(device_document("a", version=3), version=5),
        Reply(
            chunks=[
                event("MODIFIED", broken),
                event("ADDED", device_document("b", version=7)),
            ],
            then="hang",
        ),
    ]
    async with _scripted(registry, *replies, streaming=False) as (_, store):
        await eventually(lambda: _names(store) == {"b"})

    labels = {"kind": "Device"}
    assert registry.get_sample_value("polyfleet_unreadable_objects_total", labels) == 1
