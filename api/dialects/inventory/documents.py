"""Encoded devices, kept while nothing that they show changes."""

from collections.abc import Callable

from polyfleet.api.core.access import flat_name
from polyfleet.api.core.facade import Facade
from polyfleet.api.dialects.inventory.index.facts import Facts
from polyfleet.api.dialects.inventory.index.query import FieldName
from polyfleet.api.dialects.inventory.translate import device as translate
from polyfleet.fleet.objects.device import Device

Shown = frozenset[FieldName] | None
"""The attributes that a search shows; None is all."""

LARGEST = 64 * 1024 * 1024
"""Bytes of all kept documents together."""
_OVERHEAD = 400
"""Bytes that keeping a document costs beside its own."""

Tag = tuple[str, str | None]
_Key = tuple[str, Shown | str]


class Documents:
    """The devices' documents; those used last are kept, so many bytes of them."""

    def __init__(self, facade: Facade, *, largest: int = LARGEST) -> None:
        self._facade = facade
        self._largest = largest
        self._size = 0
        self._kept: dict[_Key, tuple[Tag, bytes]] = {}

    def plain(self, device: Device) -> bytes | None:
        """Return the document's form; None for a device that has no name here."""

        def encode(name: str) -> bytes:
            return translate.document(self.facts(device), name=name)

        return self._document(device, "document", (device.metadata.resource_version, None), encode)

    def scoped(self, device: Device, shown: Shown) -> bytes | None:
        """Return the search's form; None for a device that has no name here."""

        def encode(name: str) -> bytes:
            return translate.scoped(self.facts(device), name=name, chosen=shown)

        tag = (device.metadata.resource_version, self.group_of(device))
        return self._document(device, shown, tag, encode)

    def facts(self, device: Device) -> Facts:
        """Return the fields of a device."""
        return Facts(device, self.name_of, self.group_of)

    def name_of(self, device: Device) -> str | None:
        """Return the device's id in the flat space of ids; None if it can have none there."""
        return flat_name(self._facade, device.spec.application, device.spec.device_id)

    def group_of(self, device: Device) -> str | None:
        """Return the name of the device's active group; None if it is in none."""
        groups = self._facade.catalogue().groups_of(device)
        return (
            flat_name(self._facade, device.spec.application, groups[0].spec.name)
            if groups
            else None
        )

    def _document(
        self, device: Device, form: Shown | str, tag: Tag, encode: Callable[[str], bytes]
    ) -> bytes | None:
        key = (device.metadata.uid, form)
        known = self._kept.pop(key, None)
        if known is not None and known[0] == tag:
            self._kept[key] = known  # the one used last comes last
            return known[1]
        if known is not None:
            self._size -= len(known[1]) + _OVERHEAD
        name = self.name_of(device)
        if name is None:
            return None
        body = encode(name)
        self._kept[key] = (tag, body)
        self._size += len(body) + _OVERHEAD
        while self._size > self._largest and len(self._kept) > 1:
            oldest = self._kept.pop(next(iter(self._kept)))
            self._size -= len(oldest[1]) + _OVERHEAD
        return body
