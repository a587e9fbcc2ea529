"""One look at a health endpoint."""

import http.client
import ssl
from http import HTTPStatus
from pathlib import Path

_TIMEOUT_SECONDS = 5


def answers_ok(port: int, path: str, authority: Path) -> bool:
    """Tell whether https://127.0.0.1:`port``path` answers 200, trusting only `authority`."""
    context = ssl.create_default_context(cafile=str(authority))
    connection = http.client.HTTPSConnection(
        "127.0.0.1", port, timeout=_TIMEOUT_SECONDS, context=context
    )
    return _answers_ok(connection, path)


def answers_ok_plain(host: str, port: int, path: str) -> bool:
    """Tell whether http://`host`:`port``path` answers 200."""
    return _answers_ok(http.client.HTTPConnection(host, port, timeout=_TIMEOUT_SECONDS), path)


def refuses_token(host: str, port: int, path: str, token: str) -> bool:
    """Tell whether http://`host`:`port``path` answers 401 to that bearer token."""
    connection = http.client.HTTPConnection(host, port, timeout=_TIMEOUT_SECONDS)
    return (
        _status(connection, path, {"Authorization": f"Bearer {token}"}) == HTTPStatus.UNAUTHORIZED
    )


def _answers_ok(connection: http.client.HTTPConnection, path: str) -> bool:
    return _status(connection, path, {}) == HTTPStatus.OK


def _status(
    connection: http.client.HTTPConnection, path: str, headers: dict[str, str]
) -> int | None:
    try:
        connection.request("GET", path, headers=headers)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
