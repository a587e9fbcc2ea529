"""Questions to the facade, with the access token of POLYFLEET_ADMIN_TOKEN."""

import json
import os
import re
import urllib.error
import urllib.request
from http.client import HTTPException
from typing import Annotated, Any, NoReturn
from urllib.parse import urlsplit

import typer

from polyfleet.cli.terminal import complain

TIMEOUT = 30
UNREACHABLE = 3
DEFAULT_URL = "http://127.0.0.1:8080"
Url = Annotated[str, typer.Option(envvar="POLYFLEET_URL", help="Address of the facade.")]


def get(url: str, path: str) -> dict[str, Any]:
    """Return what the facade at that address answers; ends the command if it does not."""
    url = checked_address(url)
    token = os.environ.get("POLYFLEET_ADMIN_TOKEN", "")
    if not (token.isascii() and token.isprintable()):
        _fail("POLYFLEET_ADMIN_TOKEN is no access token", 2)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(url + path, headers=headers)  # noqa: S310 - checked above
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as response:  # noqa: S310
            answer: dict[str, Any] = json.load(response)
            return answer
    except urllib.error.HTTPError as error:
        _fail(_message(error), 1)
    except OSError as error:
        _fail(f"{url} does not answer: {error}", UNREACHABLE)
    except (HTTPException, ValueError):
        _fail(f"{url} answers, but not as Polyfleet does", UNREACHABLE)


def checked_address(url: str) -> str:
    """Return the facade's address, with no slash at its end; ends the command if it is none."""
    if not url.startswith(("http://", "https://")):
        _fail("the address must begin with http:// or https://", 2)
    try:
        parts = urlsplit(url)
        sound = parts.hostname and parts.port != 0 and not re.search(r"[\s\x00-\x1f]", url)
    except ValueError:
        sound = False
    if not sound:
        _fail(f"{url} is no address", 2)
    return url.rstrip("/")


def _message(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"the facade answered {error.code}"


def _fail(message: str, status: int) -> NoReturn:
    complain(message)
    raise typer.Exit(status)
