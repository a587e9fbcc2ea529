"""Packages whose file is not in the store are told of."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from polyfleet.api.core.artifacts.links import LinkSigner
from polyfleet.api.core.artifacts.local import LocalStore
from polyfleet.api.core.artifacts.presence import Presence
from polyfleet.fleet.artifacts import is_missing
from polyfleet.fleet.objects.kinds import PACKAGES
from polyfleet.fleet.objects.package import Package
from tests.api.core.conftest import Clock, Namespace

NOWHERE = "6f7483ac-5cde-467f-acf7-39e4b397e313"


@pytest.fixture
async def files(tmp_path: Path, clock: Clock) -> AsyncIterator[LocalStore]:
    signer = LinkSigner(lambda: [b"k" * 32], lifetime=timedelta(hours=1), clock=clock)
    store = LocalStore(tmp_path / "files", signer=signer, maximum_size=1024)
    yield store
    await store.close()


async def package(fleet: Namespace, name: str, path: str, driver: str = "local") -> Package:
    artifact: dict[str, Any] = {"driver": driver, "path": path, "sha256": "0" * 64, "size": 1}
    spec = {"application": "default", "version": "v1", "artifact": artifact}
    return await fleet.writer.create(PACKAGES, name, spec)


async def stored(files: LocalStore) -> str:
    async with files.receive() as incoming:
        await incoming.write(b"x")
        return (await incoming.commit()).path


async def comes_true(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)


def missing(fleet: Namespace, name: str) -> bool:
    found = fleet.cache.packages.get(name)
    return found is not None and is_missing(found)


async def test_only_a_package_without_its_file_gets_a_condition(
    fleet: Namespace, files: LocalStore, clock: Clock
) -> None:
    whole = await package(fleet, "whole", await stored(files))
    other = await package(fleet, "other", NOWHERE, driver="s3")
    async with Presence(files, fleet.cache.packages, fleet.writer, clock=clock):
        await package(fleet, "ghost", NOWHERE)
        await comes_true(lambda: missing(fleet, "ghost"))
    for untouched in (whole, other):
        now = await fleet.client.get(PACKAGES, untouched.metadata.name)
        assert now.metadata.resource_version == untouched.metadata.resource_version


async def test_a_file_that_goes_and_comes_back_is_noticed_at_the_next_round(
    fleet: Namespace, files: LocalStore, clock: Clock, tmp_path: Path
) -> None:
    path = await stored(files)
    await package(fleet, "p", path)
    (tmp_path / "files" / path).rename(tmp_path / "aside")
    store = fleet.cache.packages
    async with Presence(files, store, fleet.writer, clock=clock, interval_seconds=0.05):
        await comes_true(lambda: missing(fleet, "p"))
        (tmp_path / "aside").rename(tmp_path / "files" / path)
        await comes_true(lambda: not missing(fleet, "p"))


async def test_a_fault_of_ours_does_not_end_the_looking(
    fleet: Namespace, files: LocalStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = files.open
    faults = [KeyError("a fault of ours")]

    def faulty(path: str) -> Any:
        if faults:
            raise faults.pop()
        return look(path)

    monkeypatch.setattr(files, "open", faulty)
    async with Presence(files, fleet.cache.packages, fleet.writer, clock=clock):
        await package(fleet, "first", NOWHERE)
        await package(fleet, "second", NOWHERE)
        await comes_true(lambda: missing(fleet, "second"))
    assert not faults
