"""Who calls, and how each dialect's clients say so."""

import base64
import secrets
from typing import Any

from polyfleet.api.app import DOCUMENTS
from polyfleet.api.core.identity.access_tokens import PREFIX_LENGTH
from tests.facade_fixtures import FacadeServer
from tests.fuzz.known import give_application, make_device

DIALECTS = DOCUMENTS
"""Where the dialects serve their documents."""
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
    """Return a new token of one of PEOPLE, or of a new device: others may be deleted by now."""
    if caller in PEOPLE:
        return person_token(server, f"{dialect}-{caller}", **PEOPLE[caller])
    device = make_device(server, f"caller-{secrets.token_hex(4)}")

    async def issue() -> str:
        return server.facade.identity.issue_device_token(device)

    return server.call(issue())


def person_token(server: FacadeServer, name: str, **spec: Any) -> str:
    """Return a new token of a new person who owns something, and so cannot remove the account."""
    token = server.user_token(name, **spec)
    give_application(server, name)
    return token


def authorization(dialect: str, token: str) -> str:
    """Return the header's value."""
    if dialect == "identity":  # whose clients have a name and a secret
        pair = f"{token[:PREFIX_LENGTH]}:{token}"
        return "Basic " + base64.b64encode(pair.encode()).decode()
    return f"{PREFIXES.get(dialect, 'Bearer ')}{token}"
