"""Which family of clients asks, and what each of them must find in an answer.

The Python command line sends `X-Deis-Version` with every command (1.0.x the whole version, later
ones the major); the Go command line names itself in `User-Agent` and warns unless the server says
that it speaks 1.7.
"""

from starlette.requests import Request
from starlette.responses import Response

VERSION_HEADER = "X-Deis-Version"
API_VERSION = "1.0"
_MAJOR = "1"
_GO_NAME = "Deis Client"
_GO_API_VERSION = b"1.7"
_GO_PLATFORM_VERSION = b"1.13.4"


def wrong_version(request: Request) -> str | None:
    """Return the version that a client asks for if it is not one of ours."""
    asked = request.headers.get(VERSION_HEADER)
    if asked is None or asked.partition(".")[0] == _MAJOR:
        return None
    return asked


def is_go(request: Request) -> bool:
    """Say whether it is the Go command line, which prints bodies as they are."""
    return request.headers.get("user-agent", "").startswith(_GO_NAME)


def is_command_line(request: Request) -> bool:
    """Say whether it is one of Deis' own command lines, in Python or Go."""
    return VERSION_HEADER in request.headers or is_go(request)


def announce(request: Request, response: Response) -> Response:
    """Add the versions for the client that warns without them; the others warn about them."""
    if is_go(request):
        # As they were sent: with underscores, with and without the prefix.
        response.raw_headers += [
            (b"DEIS_API_VERSION", _GO_API_VERSION),
            (b"DEIS_PLATFORM_VERSION", _GO_PLATFORM_VERSION),
            (b"X_DEIS_API_VERSION", _GO_API_VERSION),
            (b"X_DEIS_PLATFORM_VERSION", _GO_PLATFORM_VERSION),
        ]
    return response


def with_release(response: Response, number: int) -> Response:
    """Name the new release under both names: clients up to 1.6 read one, later ones the other."""
    response.headers["X-Deis-Release"] = str(number)
    response.headers["Deis-Release"] = str(number)
    return response
