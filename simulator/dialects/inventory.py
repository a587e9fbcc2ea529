"""A device with a Mender client: it uploads its attributes.

Mender's inventory has no way to sign in and none to update. A device signs in with its key and
asks for updates over RDFM, whose token Polyfleet takes in every dialect.
"""

from polyfleet.simulator.dialects.rdfm import RdfmSpeaker
from polyfleet.simulator.dialects.speaker import JSON, Offer, encoded
from polyfleet.simulator.machine import Told

UPLOAD = "/api/devices/v1/inventory/device/attributes"


class InventorySpeaker(RdfmSpeaker):
    """Uploads attributes, then asks as RDFM's client does."""

    async def ask(self, told: Told) -> Offer | None:
        """Upload the attributes, and ask for an update."""
        number = self.machine.number
        attributes = {
            "device_type": told.device_type,
            "artifact_name": told.version,
            "hostname": f"{told.identifier}.example",
            "mem_total_kB": 524_288 * (1 + number % 4),
            "network_interfaces": ["eth0", "wlan0"][: 1 + number % 2],
        }
        await self._send(
            "PATCH",
            UPLOAD,
            route=UPLOAD,
            headers={**JSON, "Authorization": f"Bearer {self._token}"},
            body=encoded([{"name": key, "value": value} for key, value in attributes.items()]),
        )
        return await super().ask(told)
