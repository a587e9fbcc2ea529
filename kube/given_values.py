"""The environment that somebody without a REST API keeps in a Secret, one key a variable."""

import base64
import binascii
from contextlib import suppress

from polyfleet.fleet.names import given_config_secret_name
from polyfleet.kube.client import Client
from polyfleet.kube.errors import NotFound
from polyfleet.kube.resources import SECRETS


async def read_given(client: Client, application: str) -> dict[str, str] | None:
    """Return what the Secret `app-<application>-config` holds; None if there is none.

    What is no text is left out.
    """
    try:
        found = await client.get_document(SECRETS, given_config_secret_name(application))
    except NotFound:
        return None
    values = {}
    for name, encoded in (found.get("data") or {}).items():
        with suppress(binascii.Error, UnicodeDecodeError):
            values[name] = base64.b64decode(encoded, validate=True).decode()
    return values
