"""Files go with their Packages, and no file goes that a Package names."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from polyfleet.api.core.artifacts.janitor import Janitor
from polyfleet.api.core.artifacts.local import LocalStore
from polyfleet.fleet.objects.kinds import PACKAGES
from polyfleet.fleet.objects.metadata import ObjectMeta
from polyfleet.fleet.objects.package import Artifact, Package, PackageSpec
from polyfleet.kube.store import Store

OTHER = "6f7483ac-5cde-467f-acf7-39e4b397e313"


@pytest.fixture
def packages() -> Store[Package]:
    return Store(PACKAGES)


@pytest.fixture
def trust() -> SimpleNamespace:
    return SimpleNamespace(fresh=True)


@pytest.fixture
async def janitor(
    store: LocalStore, packages: Store[Package], clock: SimpleNamespace, trust: SimpleNamespace
) -> AsyncIterator[Janitor]:
    async with Janitor(
        store, packages, clock=lambda: clock.now, trusted=lambda: trust.fresh
    ) as janitor:
        yield janitor


async def stored(store: LocalStore, clock: SimpleNamespace, age: timedelta) -> str:
    """Store a file as it would have been that long ago; return its path."""
    async with store.receive() as incoming:
        await incoming.write(b"x")
        path = (await incoming.commit("images")).path
    then = (clock.now - age).timestamp()
    os.utime(path, (then, then), dir_fd=store._root)
    return path


def package(name: str, path: str | None, *, driver: str = "local", version: int = 1) -> Package:
    return Package(
        metadata=ObjectMeta(name=name, uid=f"uid-{name}", resource_version=str(version)),
        spec=PackageSpec(
            application="default",
            version="1.0.0",
            artifact=Artifact(driver=driver, path=path, sha256="0" * 64, size=1),
        ),
    )


async def poll(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)


@pytest.mark.usefixtures("janitor")
async def test_a_file_goes_when_its_package_goes(
    store: LocalStore, root: Path, packages: Store[Package], clock: SimpleNamespace
) -> None:
    path = await stored(store, clock, timedelta(0))
    packages.apply(package("a", path))
    packages.remove(package("a", path), confirmed=True)
    await poll(lambda: not (root / path).exists())


async def test_a_file_stays_while_another_package_names_it(
    store: LocalStore,
    root: Path,
    packages: Store[Package],
    clock: SimpleNamespace,
    janitor: Janitor,
) -> None:
    shared, last = [await stored(store, clock, timedelta(hours=2)) for _ in range(2)]
    for item in (
        package("a", shared),
        package("b", shared, version=2),
        package("c", last, version=3),
    ):
        packages.apply(item)
    for item in (package("a", shared), package("c", last, version=3)):
        packages.remove(item, confirmed=True)
    await poll(lambda: not (root / last).exists())
    assert await janitor.search() == 0
    assert (root / shared).exists()


async def test_a_file_that_no_package_names_goes_after_an_hour(
    store: LocalStore, root: Path, clock: SimpleNamespace, janitor: Janitor
) -> None:
    path = await stored(store, clock, timedelta(hours=1))
    assert await janitor.search() == 1
    assert not (root / path).exists()


async def test_a_younger_file_stays(
    store: LocalStore, root: Path, clock: SimpleNamespace, janitor: Janitor
) -> None:
    path = await stored(store, clock, timedelta(minutes=59))
    assert await janitor.search() == 0
    assert (root / path).exists()


async def test_a_file_of_a_package_stays_however_old(
    store: LocalStore, packages: Store[Package], clock: SimpleNamespace, janitor: Janitor
) -> None:
    packages.apply(package("a", await stored(store, clock, timedelta(days=400))))
    assert await janitor.search() == 0


async def test_nothing_goes_while_the_cache_is_not_trusted(
    store: LocalStore, clock: SimpleNamespace, janitor: Janitor, trust: SimpleNamespace
) -> None:
    await stored(store, clock, timedelta(days=400))
    trust.fresh = False
    assert await janitor.search() == 0
    trust.fresh = True
    assert await janitor.search() == 1


@pytest.mark.parametrize("driver", ["s3", "url"])
async def test_a_package_of_another_store_protects_nothing_here(
    store: LocalStore,
    packages: Store[Package],
    clock: SimpleNamespace,
    janitor: Janitor,
    driver: str,
) -> None:
    packages.apply(package("a", await stored(store, clock, timedelta(days=1)), driver=driver))
    assert await janitor.search() == 1


@pytest.mark.usefixtures("janitor")
async def test_paths_that_no_store_made_are_left_alone(
    store: LocalStore, root: Path, packages: Store[Package], clock: SimpleNamespace
) -> None:
    (root.parent / "precious").write_bytes(b"x")
    last = await stored(store, clock, timedelta(0))
    for version, path in enumerate(["../precious", f"../{OTHER}", None, last], start=1):
        packages.apply(package(f"p{version}", path, version=version))
        packages.remove(package(f"p{version}", path, version=version), confirmed=True)
    await poll(lambda: not (root / last).exists())
    assert (root.parent / "precious").exists()


async def test_a_file_that_cannot_be_removed_does_not_stop_the_others(
    store: LocalStore,
    root: Path,
    packages: Store[Package],
    clock: SimpleNamespace,
    janitor: Janitor,
) -> None:
    (root / OTHER).mkdir()
    last = await stored(store, clock, timedelta(0))
    for version, path in enumerate([OTHER, last], start=1):
        packages.apply(package(f"p{version}", path, version=version))
        packages.remove(package(f"p{version}", path, version=version), confirmed=True)
    await poll(lambda: not (root / last).exists())
    assert (root / OTHER).exists()


async def test_a_search_is_made_at_the_start(
    store: LocalStore, root: Path, packages: Store[Package], clock: SimpleNamespace
) -> None:
    path = await stored(store, clock, timedelta(hours=2))
    (root / ".incoming" / OTHER).write_bytes(b"half")
    async with Janitor(
        store, packages, clock=lambda: clock.now, trusted=lambda: True, first_seconds=0
    ):
        await poll(lambda: not (root / path).exists())
        await poll(lambda: not (root / ".incoming" / OTHER).exists())


async def test_searches_are_made_from_time_to_time(
    store: LocalStore, root: Path, packages: Store[Package], clock: SimpleNamespace
) -> None:
    async with Janitor(
        store,
        packages,
        clock=lambda: clock.now,
        trusted=lambda: True,
        first_seconds=0,
        interval_seconds=0.01,
    ):
        for _ in range(2):
            path = await stored(store, clock, timedelta(hours=2))
            await poll(lambda path=path: not (root / path).exists())


@pytest.mark.usefixtures("janitor")
async def test_a_fault_of_ours_does_not_end_the_removing(
    store: LocalStore,
    root: Path,
    packages: Store[Package],
    clock: SimpleNamespace,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    paths = [await stored(store, clock, timedelta(0)) for _ in range(2)]
    faulty(monkeypatch, store, "delete")
    for name, path in zip("ab", paths, strict=True):
        packages.apply(package(name, path))
        packages.remove(package(name, path), confirmed=True)
    await poll(lambda: not (root / paths[1]).exists())
    assert (root / paths[0]).exists()


async def test_a_fault_of_ours_does_not_end_the_searching(
    store: LocalStore,
    root: Path,
    packages: Store[Package],
    clock: SimpleNamespace,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = await stored(store, clock, timedelta(hours=2))
    faulty(monkeypatch, store, "sweep")
    async with Janitor(
        store,
        packages,
        clock=lambda: clock.now,
        trusted=lambda: True,
        first_seconds=0,
        interval_seconds=0.01,
    ):
        await poll(lambda: not (root / path).exists())


def faulty(monkeypatch: pytest.MonkeyPatch, store: LocalStore, name: str) -> None:
    """Have a method of the store fail the first time, as nobody expects."""
    work = getattr(store, name)
    faults = [KeyError("a fault of ours")]

    async def once(*arguments: Any) -> Any:
        if faults:
            raise faults.pop()
        return await work(*arguments)

    monkeypatch.setattr(store, name, once)
