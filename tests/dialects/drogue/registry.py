"""What the tests of this folder drive: people, and a maker of applications and devices."""

import secrets
from typing import Any
from urllib.parse import quote

import httpx

from tests.dialects.people import Person
from tests.facade_fixtures import FacadeServer

APPS = "/api/registry/v1alpha1/apps"
ADMIN = "/api/admin/v1alpha1"
TOKENS = "/api/tokens/v1alpha1"
COMMAND = "/api/command/v1alpha1"


class Registry:
    """Makes applications and devices through the API, as one person."""

    def __init__(self, server: FacadeServer, owner: Person) -> None:
        self.server = server
        self.owner = owner

    def app(self, name: str | None = None, **body: Any) -> str:
        """Make an application; return its name."""
        name = name or f"app-{secrets.token_hex(5)}"
        metadata = {"name": name, **body.pop("metadata", {})}
        reply = self.owner.post(APPS, json={"metadata": metadata, **body})
        assert reply.status_code == 201, reply.text
        return name

    def device(self, app: str, name: str | None = None, **body: Any) -> str:
        """Make a device; return its name."""
        name = name or f"dev-{secrets.token_hex(5)}"
        reply = self.owner.post(devices(app), json=device(app, name, **body))
        assert reply.status_code == 201, reply.text
        return name

    def shown(self, path: str, by: Person | None = None) -> dict[str, Any]:
        """Return the document at a path."""
        reply = (by or self.owner).get(path)
        assert reply.status_code == 200, reply.text
        document: dict[str, Any] = reply.json()
        return document


def apps(app: str) -> str:
    """Return the path of an application."""
    return f"{APPS}/{app}"


def devices(app: str, name: str | None = None) -> str:
    """Return the path of an application's devices, or of one of them."""
    base = f"{APPS}/{app}/devices"
    return base if name is None else f"{base}/{quote(name, safe='')}"


def device(app: str, name: str, **body: Any) -> dict[str, Any]:
    """Return the body that makes a device."""
    metadata = {"application": app, "name": name, **body.pop("metadata", {})}
    return {"metadata": metadata, **body}


def members(app: str) -> str:
    """Return the path of an application's members."""
    return f"{ADMIN}/apps/{app}/members"


def error(reply: httpx.Response) -> tuple[int, str, str]:
    """Return status, word and text of an error, which must be all that the body holds."""
    assert reply.headers["content-type"] == "application/json"
    document = reply.json()
    assert set(document) == {"error", "message"}
    return reply.status_code, document["error"], document["message"]


NOT_FOUND = (404, "NotFound", "Not found")
NO_REFERENCE = (404, "ReferenceNotFound", "Referenced a non-existing entity")
CONFLICT = (409, "Conflict", "Conflict")
LOCK_FAILED = (409, "OptimisticLockFailed", "Lock failed")
DENIED = (403, "AuthenticationError", "Not authorized")
NOT_LOGGED_IN = (401, "NotAuthorized", "Not authorized")
LOGIN_NEEDED = (403, "NotAuthorized", "Not authorized")
