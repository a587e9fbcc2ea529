"""The address under which clients reach the facade."""

import re

from starlette.requests import Request

from polyfleet.api.core.facade import Facade

_HOST = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")


def base_url(facade: Facade, request: Request) -> str:
    """Return the facade's address as the client knows it: the configured one, else its own."""
    configured = facade.settings.public_url
    if configured is not None:
        return configured
    scope = request.scope
    host = request.headers.get("host", "")
    if not _HOST.fullmatch(host):
        name, port = scope.get("server") or ("localhost", None)
        host = f"{name}:{port}" if port else name
    return f"{scope['scheme']}://{host}"
