"""The catalogue that decisions are made from, built again only when they could change."""

from collections.abc import Callable, Hashable

from polyfleet.fleet.artifacts import is_missing
from polyfleet.fleet.objects.application import Application
from polyfleet.fleet.objects.group import DeviceGroup
from polyfleet.fleet.objects.kinds import AnyObject, Object
from polyfleet.fleet.objects.package import Package
from polyfleet.fleet.objects.rollout import Rollout
from polyfleet.fleet.resolve.catalogue import Catalogue
from polyfleet.fleet.rollout.dates import selector_since
from polyfleet.kube.cache import Cache
from polyfleet.kube.changes import Change
from polyfleet.kube.store import Store


class CatalogueSource:
    """Watches the cache's few-object kinds and keeps the catalogue of their present state."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._catalogue: Catalogue | None = None
        self._leave = [
            self._watch(cache.applications),
            self._watch(cache.groups),
            self._watch(cache.packages),
            self._watch(cache.rollouts),
        ]

    def current(self) -> Catalogue:
        """Return the catalogue of what the cache holds now."""
        if self._catalogue is None:
            self._catalogue = Catalogue.build(
                self._cache.applications.values(),
                self._cache.groups.values(),
                self._cache.packages.values(),
                self._cache.rollouts.values(),
            )
        return self._catalogue

    def close(self) -> None:
        """Watch no longer."""
        for leave in self._leave:
            leave()

    def _watch(self, store: Store[Object]) -> Callable[[], None]:
        return store.subscribe(self._changed)

    def _changed(self, change: Change[Object]) -> None:
        if (
            change.old is None
            or change.new is None
            or _relevant(change.old) != _relevant(change.new)
        ):
            self._catalogue = None


def _relevant(item: AnyObject) -> Hashable:
    """Return what decisions read of an object: not counts, which change all the time."""
    metadata = item.metadata
    common = (metadata.uid, metadata.generation, metadata.deletion_timestamp)
    match item:
        case DeviceGroup():
            return (*common, item.serial, item.status.changes, selector_since(item))
        case Rollout():
            return (*common, item.status.plan, item.status.seed, item.status.steps)
        case Application():
            return (*common, item.present, item.status.members)
        case Package():
            return (*common, item.serial, is_missing(item))
        case _:
            return common
