"""Whether who began an answer that goes on may still have it."""

import time

from starlette.requests import Request

from polyfleet.api.core.errors import PolyfleetError
from polyfleet.api.core.facade import Facade
from polyfleet.api.dialects.deis.access import Caller, caller_of
from polyfleet.fleet.objects.application import Application
from polyfleet.fleet.rights import Right

_BELIEVED_SECONDS = 5.0
"""How long credentials are believed; what the cache knows is asked each time."""


class Standing:
    """A caller who reads an application, asked again and again.

    It ends for good once the caller's account or credentials, or the right to read, are gone, or
    the application is; another one of its name is another one.
    """

    def __init__(
        self, facade: Facade, request: Request, caller: Caller, application: Application
    ) -> None:
        self._facade = facade
        self._request = request
        self._caller = caller
        self._application = application
        self._is_user = self._user_is_there()
        self._authenticated = time.monotonic()
        self._over = False

    async def holds(self) -> bool:
        """Say whether it still does, as far as this facade knows."""
        self._over = self._over or not await self._holds()
        return not self._over

    async def _holds(self) -> bool:
        now = time.monotonic()
        if now - self._authenticated >= _BELIEVED_SECONDS:
            self._authenticated = now
            try:
                self._caller = await caller_of(self._facade, self._request)
            except PolyfleetError:
                return False
        known = self._facade.cache.applications.get(self._application.metadata.name)
        return (
            known is not None
            and known.present
            and known.metadata.uid == self._application.metadata.uid
            and self._user_is_there() is self._is_user
            and self._caller.has(Right.READ, known)
        )

    def _user_is_there(self) -> bool:
        """Say whether the caller is a User here; identity providers have people who are none."""
        directory = self._facade.identity.directory
        return directory.user_by_uid(self._caller.principal.uid) is not None
