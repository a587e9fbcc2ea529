"""The environment that somebody without a REST API keeps in a Secret, one key a variable."""

import base64
import binascii
from dataclasses import dataclass

from polyfleet.fleet.names import given_config_secret_name
from polyfleet.kube.client import Client
from polyfleet.kube.errors import NotFound
from polyfleet.kube.resources import SECRETS


@dataclass(frozen=True, slots=True)
class Given:
    """What such a Secret holds; `unreadable` are the names of what is no text."""

    values: dict[str, str]
    unreadable: tuple[str, ...] = ()


async def read_given(client: Client, application: str) -> Given | None:
    """Return what the Secret `app-<application>-config` holds; None if there is none."""
    try:
        found = await client.get_document(SECRETS, given_config_secret_name(application))
    except NotFound:
        return None
    values, unreadable = {}, []
    for name, encoded in (found.get("data") or {}).items():
        try:
            values[name] = base64.b64decode(encoded, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            unreadable.append(name)
    return Given(values, tuple(unreadable))
