"""What the tests of this folder drive: people with login tokens, and what all answers share."""

import secrets
from typing import Any

import httpx

from tests.dialects.people import Person
from tests.facade_fixtures import FacadeServer

PASSWORD = "opensesame"


def unique(name: str) -> str:
    return f"{name}-{secrets.token_hex(4)}"


def register(server: FacadeServer, name: str | None = None) -> Person:
    """Register somebody as the Python command line does, by forms, and log in."""
    name = name or unique("user")
    with server.client() as client:
        fields = {"username": name, "password": PASSWORD, "email": f"{name}@example.com"}
        reply = client.post("/v1/auth/register", data=fields)
        assert reply.status_code == 201, reply.text
        reply = client.post("/v1/auth/login/", data={"username": name, "password": PASSWORD})
        assert reply.status_code == 200, reply.text
        token = reply.json()["token"]
    return Person(name, token, server.client(headers={"Authorization": f"token {token}"}))


def detail(reply: httpx.Response) -> tuple[int, str]:
    """Return status and text of an error, which must be all that the body holds."""
    assert reply.headers["content-type"] == "application/json"
    document = reply.json()
    assert set(document) == {"detail"}, document
    return reply.status_code, document["detail"]


def mistakes(reply: httpx.Response) -> dict[str, list[str]]:
    """Return the texts for each field of a 400."""
    assert reply.status_code == 400, reply.text
    assert reply.headers["content-type"] == "application/json"
    document: dict[str, list[str]] = reply.json()
    assert "detail" not in document, document
    return document


def results(reply: httpx.Response) -> list[dict[str, Any]]:
    """Return the results of a page."""
    assert reply.status_code == 200, reply.text
    document = reply.json()
    assert set(document) == {"count", "next", "previous", "results"}
    found: list[dict[str, Any]] = document["results"]
    return found


NOT_FOUND = (404, "Not found")
NOT_ALLOWED = (403, "You do not have permission to perform this action.")
NO_CREDENTIALS = (401, "Authentication credentials were not provided.")
REQUIRED = ["This field is required."]


class Controller:
    """Makes applications and changes them through the API, as one person."""

    def __init__(self, server: FacadeServer, owner: Person) -> None:
        self.server = server
        self.owner = owner

    def app(self, **fields: Any) -> str:
        """Make an application; return its id."""
        reply = self.owner.post("/v1/apps", json={"id": unique("app"), **fields})
        assert reply.status_code == 201, reply.text
        name: str = reply.json()["id"]
        return name

    def configure(self, app: str, **fields: Any) -> dict[str, Any]:
        """Change the configuration; return the document of the answer."""
        reply = self.owner.post(f"/v1/apps/{app}/config", json=fields)
        assert reply.status_code == 201, reply.text
        document: dict[str, Any] = reply.json()
        return document

    def build(self, app: str, image: str = "deis/example-go", **fields: Any) -> dict[str, Any]:
        """Give an image; return the document of the build."""
        reply = self.owner.post(f"/v1/apps/{app}/builds", json={"image": image, **fields})
        assert reply.status_code == 201, reply.text
        document: dict[str, Any] = reply.json()
        return document

    def shown(self, path: str) -> dict[str, Any]:
        """Return the document at a path below /v1/apps."""
        reply = self.owner.get(f"/v1/apps/{path}")
        assert reply.status_code == 200, reply.text
        document: dict[str, Any] = reply.json()
        return document

    def releases(self, app: str) -> list[dict[str, Any]]:
        """Return the application's releases, the newest first."""
        return results(self.owner.get(f"/v1/apps/{app}/releases"))

    def share(self, app: str, person: Person) -> None:
        """Make somebody a collaborator."""
        reply = self.owner.post(f"/v1/apps/{app}/perms", json={"username": person.name})
        assert reply.status_code == 201, reply.text
