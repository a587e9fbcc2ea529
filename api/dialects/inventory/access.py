"""How callers of the management API prove themselves, in Mender's words."""

from starlette.requests import Request

from polyfleet.api.core.access import Caller
from polyfleet.api.core.errors import Unauthenticated
from polyfleet.api.core.facade import Facade
from polyfleet.fleet.rights import Right


class Access:
    """Rights of callers, by request."""

    def __init__(self, facade: Facade) -> None:
        self._facade = facade

    async def caller(self, request: Request, right: Right) -> Caller:
        """Return who sent a request of the management API.

        Raises Unauthenticated, and Forbidden if the caller has the right in no application.
        """
        identity = self._facade.identity
        if not identity.insecure and "authorization" not in request.headers:
            raise Unauthenticated("Authorization not present in header")
        principal = await identity.authenticate_management(request.headers, None)
        caller = Caller(self._facade, principal)
        caller.require_somewhere(right)
        return caller
