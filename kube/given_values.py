"""Reads the environment that somebody without a REST API keeps in a Secret."""

import base64
import binascii

from polyfleet.fleet.given_values import Given, is_given_to
from polyfleet.fleet.names import given_config_secret_name
from polyfleet.fleet.objects.application import Application
from polyfleet.kube.client import Client
from polyfleet.kube.errors import Invalid, NotFound
from polyfleet.kube.resources import SECRETS


async def read_given(client: Client, application: Application) -> Given | None:
    """Return what the Secret `app-<application>-config` holds.

    None if there is none, if it is not meant for this Application, or if this has its values from
    an API. Raises Invalid if it holds what is no text.
    """
    config = application.spec.config
    if config is not None and config.uuid is not None:
        return None
    name = given_config_secret_name(application.spec.name)
    try:
        found = await client.get_document(SECRETS, name)
    except NotFound:
        return None
    if not is_given_to(application, found["metadata"]):
        return None
    values, unreadable = {}, []
    for key, encoded in (found.get("data") or {}).items():
        try:
            values[key] = base64.b64decode(encoded, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            unreadable.append(key)
    if unreadable:
        which = ", ".join(sorted(unreadable))
        raise Invalid(422, "Invalid", f"the Secret {name} holds what is no text: {which}")
    return Given(values, found["metadata"]["uid"])
