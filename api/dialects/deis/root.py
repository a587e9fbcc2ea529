"""The address by which clients recognise a Controller before they log in: it answers 401."""

from starlette.requests import Request
from starlette.responses import Response

from polyfleet.api.core.addresses import base_url
from polyfleet.api.core.facade import Facade
from polyfleet.api.dialects.deis.access import caller_of
from polyfleet.api.dialects.deis.errors import answer
from polyfleet.api.dialects.deis.routes import BASE, Route


class RootRoutes:
    """The route /v1/."""

    def __init__(self, facade: Facade) -> None:
        self._facade = facade

    async def show(self, request: Request) -> Response:
        """Show where the collections are, to people who are logged in."""
        await caller_of(self._facade, request)
        base = f"{base_url(self._facade, request)}{BASE}"
        return answer(200, {"apps": f"{base}/apps/", "keys": f"{base}/keys/"})


def routes(root: RootRoutes) -> list[Route]:
    """Return the route."""
    return [
        Route(
            method="GET",
            path=BASE,
            endpoint=root.show,
            summary="Recognise a Controller",
            reply=dict[str, str],
        )
    ]
