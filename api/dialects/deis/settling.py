"""Waiting, for a short while, until what was asked for runs."""

import asyncio
from collections.abc import Callable

from polyfleet.api.core.facade import Facade
from polyfleet.fleet.objects.application import Application
from polyfleet.kube.changes import Change


async def settle(
    facade: Facade, application: Application, settled: Callable[[Application], bool]
) -> None:
    """Wait until the application is as `settled` wants it, or the patience of the settings ends.

    What was asked for is recorded already: whether it runs yet decides nothing.
    """
    store, uid = facade.cache.applications, application.metadata.uid
    done = asyncio.Event()

    def look(item: Application | None) -> None:
        if item is None or item.metadata.uid != uid or not item.present or settled(item):
            done.set()

    def note(change: Change[Application]) -> None:
        if uid in {item.metadata.uid for item in (change.old, change.new) if item is not None}:
            look(change.new)

    if facade.settings.deis.patience <= 0:
        return
    unsubscribe = store.subscribe(note)
    try:
        look(store.get(application.metadata.name))
        async with asyncio.timeout(facade.settings.deis.patience):
            await done.wait()
    except TimeoutError:
        pass
    finally:
        unsubscribe()
