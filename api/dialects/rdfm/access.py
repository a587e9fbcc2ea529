"""How callers of the management API prove themselves."""

from starlette.requests import Request

from polyfleet.api.core.access import Caller
from polyfleet.api.core.facade import Facade
from polyfleet.fleet.rights import Right


class Access:
    """Rights of callers, by request."""

    def __init__(self, facade: Facade) -> None:
        self._facade = facade

    async def identified(self, request: Request) -> Caller:
        """Return who sent a request of the management API. Raises Unauthenticated."""
        principal = await self._facade.identity.authenticate_management(request.headers, None)
        return Caller(self._facade, principal)

    async def caller(self, request: Request, right: Right) -> Caller:
        """Return who sent a request of the management API.

        Raises Unauthenticated, and Forbidden if the caller has the right in no application at
        all: before the body is looked at, as in the reference server.
        """
        caller = await self.identified(request)
        caller.require_somewhere(right)
        return caller
