"""What a decision may know about a device."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from polyfleet.fleet import attributes
from polyfleet.fleet.attributes import TYPE_KEY, VERSION_KEY
from polyfleet.fleet.objects.device import Device, Update
from polyfleet.fleet.objects.group import DeviceGroup
from polyfleet.fleet.objects.metadata import ObjectMeta

Takes = Literal["artifact", "specification", "anything"]
"""What the side that asks can hand to a device: RDFM files, Kaa's specifications."""


class DeviceFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A device as `resolve` sees it; `groups` the active one first, `pin` a Package's name.

    `metadata` are its attributes, `object_meta` the metadata of its object.
    """

    application: str
    device_id: str
    groups: tuple[DeviceGroup, ...] = ()
    device_type: str | None = None
    version: str | None = None
    metadata: Mapping[str, str] = {}
    pin: str | None = None
    hold: bool = False
    disabled: bool = False
    takes: Takes = "artifact"
    object_meta: ObjectMeta = ObjectMeta(name="")
    update: Update | None = None

    def value(self, key: str) -> str | None:
        """Return what a requirement on that key is compared with; None if it is unknown."""
        if key == VERSION_KEY:
            return self.version
        if key == TYPE_KEY:
            return self.device_type
        return self.metadata.get(key)


def facts_of(
    device: Device, groups: tuple[DeviceGroup, ...], takes: Takes | None = None
) -> DeviceFacts:
    """Return the facts of a device from what is stored about it.

    `groups` are those it is in, the active one first (`fleet.membership.groups_of`). The version
    is the one that the device last reported, else the one among its attributes. Without `takes`,
    a device with a public key asks as RDFM's devices do; one without, or with an endpoint token
    beside it, may take anything.
    """
    known = attributes.merged(device)
    texts = texts_of(known)
    software = device.status.software
    return DeviceFacts(
        application=device.spec.application,
        device_id=device.spec.device_id,
        groups=groups,
        device_type=attributes.device_type(known),
        version=software.version if software is not None else texts.get(VERSION_KEY),
        metadata=texts,
        pin=device.spec.pin,
        hold=device.spec.hold,
        disabled=device.spec.disabled,
        object_meta=device.metadata,
        update=device.status.update,
        takes=takes or ("artifact" if _has_only_keys(device) else "anything"),
    )


def reported_facts(
    device: Device, groups: tuple[DeviceGroup, ...], metadata: Mapping[str, str]
) -> DeviceFacts:
    """Return the facts of a device that sends its own metadata with the question, as RDFM's do.

    Nothing but the metadata speaks for type, version and requirements; such devices take files.
    """
    return DeviceFacts(
        application=device.spec.application,
        device_id=device.spec.device_id,
        groups=groups,
        device_type=metadata.get(TYPE_KEY),
        version=metadata.get(VERSION_KEY),
        metadata=metadata,
        pin=device.spec.pin,
        hold=device.spec.hold,
        disabled=device.spec.disabled,
        object_meta=device.metadata,
        update=device.status.update,
    )


def texts_of(known: Mapping[str, attributes.Attribute]) -> dict[str, str]:
    """Return the attributes that are one text; no requirement can name a list."""
    return {
        name: value
        for name, attribute in known.items()
        if isinstance(value := attributes.text(attribute.value), str)
    }


def _has_only_keys(device: Device) -> bool:
    return bool(device.spec.public_keys) and not device.spec.endpoint_token_hashes
