"""Where a device or a person can fetch a package's file."""

from starlette.requests import Request

from polyfleet.api.core.addresses import base_url
from polyfleet.api.core.errors import NotFound
from polyfleet.api.core.facade import Facade
from polyfleet.fleet.objects.package import Package


async def download_link(facade: Facade, request: Request, package: Package) -> str:
    """Return an address of the package's file. Raises NotFound if it has none."""
    artifact = package.spec.artifact
    if artifact is not None:
        if artifact.url is not None:
            return artifact.url
        if artifact.path is not None and artifact.driver == facade.artifacts.driver:
            return await facade.artifacts.link(artifact.path, base_url(facade, request))
    raise NotFound("the package has no file that can be fetched")
