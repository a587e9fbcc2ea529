"""How the tests of this folder send, fetch and answer commands."""

from typing import Any
from urllib.parse import quote

import httpx

from tests.dialects.drogue.registry import COMMAND, Registry

PASSWORD = "correct horse"


def at(app: str, name: str, box: str = "") -> str:
    return f"{COMMAND}/{box}apps/{app}/devices/{quote(name, safe='')}"


def send(registry: Registry, app: str, name: str, command: str, **options: Any) -> httpx.Response:
    reply: httpx.Response = registry.owner.post(
        at(app, name), params={"command": command}, **options
    )
    return reply


def fetch(caller: Any, app: str, name: str, **query: Any) -> httpx.Response:
    reply: httpx.Response = caller.get(at(app, name, "inbox/"), params=query)
    return reply


def answer(caller: Any, app: str, name: str, **options: Any) -> httpx.Response:
    reply: httpx.Response = caller.post(at(app, name, "outbox/"), **options)
    return reply


def secured(password: str | dict[str, str]) -> dict[str, Any]:
    return {"authentication": {"credentials": [{"pass": password}]}}
