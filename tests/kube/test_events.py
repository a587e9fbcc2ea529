"""Events, as kubectl shows them."""

from collections.abc import Callable
from typing import Any

import pytest

from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.kinds import DEVICES
from polyfleet.kube.client import Client
from polyfleet.kube.events import EventRecorder
from polyfleet.kube.resources import EVENTS
from tests.kube.objects import SPEC, device


@pytest.fixture
async def known(client: Client) -> Device:
    return await client.create(DEVICES, {"metadata": {"name": "d1"}, "spec": SPEC})


async def test_an_event_is_written_about_its_object(
    client: Client, known: Device, kubectl: Callable[..., str]
) -> None:
    async with EventRecorder(client) as recorder:
        recorder.event(known, "Warning", "KeyTwice", "two devices have this key")

    (written,) = await client.list_documents(EVENTS)
    assert written["reason"] == "KeyTwice"
    assert written["note"] == "two devices have this key"
    assert written["regarding"]["uid"] == known.metadata.uid
    assert "two devices have this key" in kubectl("describe", "devices.polyfleet.dev", "d1")


async def test_the_same_event_is_written_once(client: Client, known: Device) -> None:
    async with EventRecorder(client) as recorder:
        for _ in range(5):
            recorder.event(known, "Normal", "Adopted", "it has a serial now")
        recorder.event(known, "Normal", "Adopted", "another text")

    assert len(await client.list_documents(EVENTS)) == 2


async def test_a_flood_is_cut_off(client: Client, known: Device) -> None:
    async with EventRecorder(client) as recorder:
        for number in range(500):
            recorder.event(known, "Normal", "Flood", f"number {number}")

    assert 50 <= len(await client.list_documents(EVENTS)) < 500


async def test_a_refused_event_does_not_stop_the_next(client: Client, known: Device) -> None:
    async with EventRecorder(client) as recorder:
        recorder.event(device("NOT A NAME"), "Normal", "Broken", "cannot be written")
        recorder.event(known, "Normal", "Fine", "can be written")

    assert [event["reason"] for event in await client.list_documents(EVENTS)] == ["Fine"]


async def test_a_note_too_long_is_cut(client: Client, known: Device) -> None:
    async with EventRecorder(client) as recorder:
        recorder.event(known, "Normal", "Long", "x" * 5000)

    (written,) = await client.list_documents(EVENTS)
    assert len(written["note"]) == 1024


async def test_a_fault_of_ours_does_not_stop_the_next(
    client: Client, known: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = client.create_document
    faults = [KeyError("a fault of ours")]

    async def faulty(*arguments: Any) -> dict[str, Any]:
        if faults:
            raise faults.pop()
        return await create(*arguments)

    monkeypatch.setattr(client, "create_document", faulty)
    async with EventRecorder(client) as recorder:
        recorder.event(known, "Normal", "Lost", "the first")
        recorder.event(known, "Normal", "Kept", "the second")
    assert [item["reason"] for item in await client.list_documents(EVENTS)] == ["Kept"]
