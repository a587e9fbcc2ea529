"""Credentials that kubectl wrote in clear text: they open nothing, so people are told."""

from polyfleet.fleet.conditions import holds
from polyfleet.fleet.device_credentials import has_clear_text
from polyfleet.fleet.objects.device import Device
from polyfleet.operator.reconcile.conditions import Wanted

CLEAR_TEXT = "CredentialsInClearText"
_MESSAGE = (
    "spec.data has credentials in clear text, or of an unknown form: they open nothing and are not "
    "shown; set them over the Drogue API, which keeps hashes"
)


def credentials_in_clear_text(device: Device) -> Wanted | None:
    """Return the condition that the device needs; None if its credentials were never so."""
    if has_clear_text(device.spec.data):
        return Wanted(CLEAR_TEXT, True, "NotHashed", _MESSAGE)
    if holds(device, CLEAR_TEXT):
        return Wanted(CLEAR_TEXT, False, "Hashed", "")
    return None
