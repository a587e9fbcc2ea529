"""Where a device or a person can fetch a package's file."""

import re

from starlette.requests import Request

from polyfleet.api.core.errors import NotFound
from polyfleet.api.core.facade import Facade
from polyfleet.fleet.objects.package import Package

_HOST = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")


async def download_link(facade: Facade, request: Request, package: Package) -> str:
    """Return an address of the package's file. Raises NotFound if it has none."""
    artifact = package.spec.artifact
    if artifact is not None:
        if artifact.url is not None:
            return artifact.url
        if artifact.path is not None and artifact.driver == facade.artifacts.driver:
            return await facade.artifacts.link(artifact.path, base_url(facade, request))
    raise NotFound("the package has no file that can be fetched")


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
