"""The devices that are measured: of the size that real ones have."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from polyfleet.api.core.updates import OFFERED
from polyfleet.fleet.names import application_label, object_name
from polyfleet.fleet.objects.metadata import APPLICATION_LABEL, ATTRIBUTE_LABEL_PREFIX, SERIAL_LABEL
from polyfleet.simulator.keys import KeyPool

APPLICATION = "default"
DEVICE_TYPE = "gateway-imx8"
OLD_VERSION = "2026.03.1"
NEW_VERSION = "2026.04.0"

_AT = "2026-03-01T12:00:00.000000Z"


@dataclass(frozen=True, slots=True)
class Group:
    """A group to seed devices into, and the label value that makes them members."""

    label: str
    value: str
    package: str
    """The object name of the Package that brings its members up to date."""


@dataclass(frozen=True, slots=True)
class FleetDevice:
    """One device of the fleet; its number is also its serial."""

    number: int
    version: str
    group: Group | None

    @property
    def identifier(self) -> str:
        """The id by which RDFM knows it."""
        return "02:00:" + ":".join(f"{byte:02x}" for byte in self.number.to_bytes(4, "big"))

    @property
    def name(self) -> str:
        """The name of its object."""
        return object_name("Device", APPLICATION, self.identifier)

    def told(self) -> dict[str, str]:
        """Return the ten facts that it tells with every request."""
        return {
            "rdfm.hardware.devtype": DEVICE_TYPE,
            "rdfm.hardware.macaddr": self.identifier,
            "rdfm.software.version": self.version,
            "rdfm.software.supports_xdelta": "true",
            "rdfm.software.supports_rsync": "true",
            "hardware.memory": "2048 MiB",
            "hardware.serial": f"SN-{self.number:010d}",
            "network.hostname": f"gateway-{self.number}.site-{self.number % 97}.example",
            "os.kernel": "6.12.17-yocto-standard #1 SMP PREEMPT",
            "location.site": f"site-{self.number % 97}, hall {self.number % 7}",
        }

    def document(self, keys: KeyPool) -> dict[str, Any]:
        """Return the object to create."""
        labels = {
            APPLICATION_LABEL: application_label(APPLICATION),
            SERIAL_LABEL: str(self.number),
            f"{ATTRIBUTE_LABEL_PREFIX}rdfm.hardware.devtype": DEVICE_TYPE,
        }
        if self.group is not None:
            labels[self.group.label] = self.group.value
        return {
            "apiVersion": "polyfleet.dev/v1alpha1",
            "kind": "Device",
            "metadata": {"name": self.name, "labels": labels},
            "spec": {
                "application": APPLICATION,
                "deviceId": self.identifier,
                "createdAt": _moment(self.number),
                "publicKeys": [keys.public_pem(self.number)],
                "enrolled": {"at": _AT, "metadata": _attributes(self.told())},
            },
        }

    def status(self) -> dict[str, Any]:
        """Return the status of a device that reported and was offered its update before.

        So neither the same report nor the same offer is news to be written.
        """
        reported = [
            entry | {"source": "rdfm", "at": _AT}
            for entry in _attributes(dict(sorted(self.told().items())))
        ]
        status: dict[str, Any] = {
            "software": {"version": self.version, "at": _AT},
            "reported": reported,
            "lastSeen": _AT,
            "serial": self.number,
        }
        if self.group is not None and self.version == OLD_VERSION:
            offer = {"package": self.group.package, "state": OFFERED, "attempts": 1, "at": _AT}
            status["update"] = offer
        return {"status": status}


def _attributes(told: dict[str, str]) -> list[dict[str, Any]]:
    return [{"name": name, "value": {"string": value}} for name, value in told.items()]


def _moment(number: int) -> str:
    at = dt.datetime(2026, 3, 1, tzinfo=dt.UTC) + dt.timedelta(milliseconds=number)
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")
