"""Who calls, and how each dialect's clients say so."""

from typing import Any

from polyfleet.api.app import DOCUMENTS
from polyfleet.kube.devices import find_device
from tests.facade_fixtures import FacadeServer
from tests.fuzz.known import NAMES

DIALECTS = {name: DOCUMENTS[name] for name in ("drogue", "inventory", "native", "rdfm")}
"""Where the dialects that are held to their documents serve them."""
PREFIXES = {"rdfm": "Bearer token=", "deis": "token "}
"""What goes before a token in `Authorization`, where it is not `Bearer `."""

PEOPLE: dict[str, dict[str, Any]] = {
    "administrator": {"administrator": True},
    "reader": {"scopes": ["rdfm_admin_ro"]},
    "stranger": {"scopes": []},
}
"""Fields of `User.spec`."""
CALLERS = (*PEOPLE, "device")


def token_of(server: FacadeServer, dialect: str, caller: str) -> str:
    """Return a new token of one of PEOPLE, or of a device that is there."""
    if caller in PEOPLE:
        return server.user_token(f"{dialect}-{caller}", **PEOPLE[caller])
    facade = server.facade
    device = find_device(facade.cache.devices, "default", NAMES[0])
    assert device is not None

    async def issue() -> str:
        return facade.identity.issue_device_token(device)

    return server.call(issue())


def authorization(dialect: str, token: str) -> str:
    """Return the header's value."""
    return f"{PREFIXES.get(dialect, 'Bearer ')}{token}"
