"""Package files, for whoever has a link to them."""

from starlette.requests import Request
from starlette.responses import Response

from polyfleet.api.core.artifacts.serve import serve
from polyfleet.api.core.facade import Facade


class StorageRoutes:
    """The route /local_storage/<path>: public, for the link itself is the permission."""

    def __init__(self, facade: Facade) -> None:
        self._facade = facade

    async def get(self, request: Request) -> Response:
        """Send a file, or the part of it that is asked for."""
        facade = self._facade
        path: str = request.path_params["path"]
        return await serve(request, path, facade.artifacts, facade.links)
