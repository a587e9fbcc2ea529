"""Waiting, for a short while, until what was asked for is so."""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack

from polyfleet.api.core.facade import Facade
from polyfleet.fleet.conditions import holds
from polyfleet.fleet.objects.application import Application
from polyfleet.fleet.objects.release import Release
from polyfleet.fleet.releases import FAILED
from polyfleet.kube.changes import Change


async def settle(
    facade: Facade,
    application: Application,
    settled: Callable[[Application], bool],
    release: Release | None = None,
) -> None:
    """Wait until the application is as `settled` wants it, or the patience of the settings ends.

    It ends early if that will not come any more: the application goes, or the release has failed.
    What was asked for is recorded already: whether it runs yet decides nothing.
    """
    awaited = None if release is None else release.metadata.uid

    def failed(item: Release | None) -> bool:
        return item is not None and item.metadata.uid == awaited and bool(holds(item, FAILED))

    await _wait(facade, application, lambda item: not item.present or settled(item), failed)


async def be_gone(facade: Facade, application: Application) -> None:
    """Wait until a deleted application is swept, or the patience of the settings ends."""
    await _wait(facade, application, lambda _: False)


async def _wait(
    facade: Facade,
    application: Application,
    settled: Callable[[Application], bool],
    failed: Callable[[Release | None], bool] = lambda _: False,
) -> None:
    cache, uid = facade.cache, application.metadata.uid
    done = asyncio.Event()

    def look(item: Application | None) -> None:
        if item is None or item.metadata.uid != uid or settled(item):
            done.set()

    def note(change: Change[Application]) -> None:
        if uid in {item.metadata.uid for item in (change.old, change.new) if item is not None}:
            look(change.new)

    def note_release(change: Change[Release]) -> None:
        if failed(change.new):
            done.set()

    if facade.settings.deis.patience <= 0:
        return
    with ExitStack() as stack:
        stack.callback(cache.applications.subscribe(note))
        stack.callback(cache.releases.subscribe(note_release))
        look(cache.applications.get(application.metadata.name))
        try:
            async with asyncio.timeout(facade.settings.deis.patience):
                await done.wait()
        except TimeoutError:
            pass
