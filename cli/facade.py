"""Questions to the facade, with the access token of POLYFLEET_ADMIN_TOKEN."""

import json
import os
import urllib.error
import urllib.request
from typing import Annotated, Any, NoReturn

import typer

from polyfleet.cli.terminal import complain

TIMEOUT = 30
UNREACHABLE = 3
DEFAULT_URL = "http://127.0.0.1:8080"
Url = Annotated[str, typer.Option(envvar="POLYFLEET_URL", help="Address of the facade.")]


def get(url: str, path: str) -> dict[str, Any]:
    """Return what the facade at that address answers; ends the command if it does not."""
    token = os.environ.get("POLYFLEET_ADMIN_TOKEN", "")
    url = url.rstrip("/") + path
    if not url.startswith(("http://", "https://")):
        _fail("the address must begin with http:// or https://", 2)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - checked above
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as response:  # noqa: S310
            answer: dict[str, Any] = json.load(response)
            return answer
    except urllib.error.HTTPError as error:
        _fail(_message(error), 1)
    except OSError as error:
        _fail(f"{url.partition('/polyfleet/')[0]} does not answer: {error}", UNREACHABLE)


def _message(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"the facade answered {error.code}"


def _fail(message: str, status: int) -> NoReturn:
    complain(message)
    raise typer.Exit(status)
