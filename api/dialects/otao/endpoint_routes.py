"""What a device runs, as people ask for it."""

import orjson
from starlette.requests import Request
from starlette.responses import Response

from polyfleet.api.core.errors import NotFound
from polyfleet.api.core.facade import Facade
from polyfleet.api.dialects.otao import schemas
from polyfleet.api.dialects.otao.access import device_for
from polyfleet.api.dialects.otao.errors import JSON
from polyfleet.api.dialects.otao.routes import ENDPOINT, Route
from polyfleet.api.dialects.otao.software import Software


class EndpointRoutes:
    """The route below `/endpoints`."""

    def __init__(self, facade: Facade, software: Software) -> None:
        self._facade = facade
        self._software = software

    async def current(self, request: Request) -> Response:
        """Show the software whose version a device last reported."""
        device = await device_for(self._facade, request)
        running = device.status.software
        if running is None:
            raise NotFound("the endpoint has not reported which software it runs")
        name = device.spec.application
        package = self._software.find(name, running.version)
        application = self._facade.cache.applications.get(name)
        if package is None or application is None:
            raise NotFound(
                f"the endpoint runs {running.version!r}, which is no software of the application"
            )
        document = await self._software.document(request, application, package)
        return Response(orjson.dumps(document), media_type=JSON)


def routes(endpoints: EndpointRoutes, base: str) -> list[Route]:
    """Return the route below a base path."""
    return [
        Route(
            method="GET",
            path=f"{base}/endpoints/{{endpointId}}/software/current",
            endpoint=endpoints.current,
            summary="Returns current software of a specified endpoint.",
            scope=ENDPOINT,
            reply=schemas.Software,
        )
    ]
