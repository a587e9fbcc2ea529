"""Who is an administrator."""

import orjson
from starlette.requests import Request
from starlette.responses import Response

from polyfleet.api.core.errors import Conflict
from polyfleet.api.core.facade import Facade
from polyfleet.api.dialects.deis import bodies, pages, schemas
from polyfleet.api.dialects.deis.access import caller_of, user_of_name
from polyfleet.api.dialects.deis.documents import born
from polyfleet.api.dialects.deis.routes import BASE, Route
from polyfleet.fleet.objects.kinds import USERS
from polyfleet.fleet.objects.user import User
from polyfleet.kube import administrators
from polyfleet.kube.refusal import Refused

_BASE = f"{BASE}/admin/perms"
_ADMINISTRATORS = "deis: administrators"


class AdministratorRoutes:
    """The routes below /v1/admin/perms, for administrators."""

    def __init__(self, facade: Facade) -> None:
        self._facade = facade
        facade.cache.users.add_index(
            _ADMINISTRATORS,
            lambda user: (True,) if user.spec.administrator else (),
            order=born,
        )

    async def show(self, request: Request) -> Response:
        """List the administrators."""
        (await caller_of(self._facade, request)).require_administrator()
        found = self._facade.cache.users.find(_ADMINISTRATORS, True)
        return pages.answer(self._facade, request, found, _encoded)

    async def create(self, request: Request) -> Response:
        """Make a user an administrator."""
        (await caller_of(self._facade, request)).require_administrator()
        fields = await bodies.read_fields(request, self._facade.settings.maximum_body)
        user = user_of_name(self._facade, bodies.text(fields, "username"))
        await self._facade.writer.update(
            USERS,
            user.metadata.name,
            lambda item: None if item.spec.administrator else {"spec": {"administrator": True}},
        )
        return Response(status_code=201)

    async def delete(self, request: Request) -> Response:
        """Make an administrator an ordinary user; the last one stays."""
        (await caller_of(self._facade, request)).require_administrator()
        facade = self._facade
        user = user_of_name(facade, request.path_params["username"])
        if user.spec.administrator:
            try:
                await administrators.demote(facade.writer, user, facade.clock())
            except Refused:
                raise Conflict("The last administrator stays one.") from None
        return Response(status_code=204)


def routes(administrators: AdministratorRoutes) -> list[Route]:
    """Return the routes below /v1/admin/perms."""
    return [
        Route(
            method="GET",
            path=_BASE,
            endpoint=administrators.show,
            summary="List the administrators",
            statuses=(403, 404),
            query=pages.QUERY,
            reply=schemas.Page[schemas.Administrator],
        ),
        Route(
            method="POST",
            path=_BASE,
            endpoint=administrators.create,
            summary="Make a user an administrator",
            status=201,
            statuses=(403, 404, 409),
            body=schemas.UserName,
        ),
        Route(
            method="DELETE",
            path=f"{_BASE}/{{username}}",
            endpoint=administrators.delete,
            summary="Make an administrator an ordinary user",
            status=204,
            statuses=(403, 404, 409),
        ),
    ]


def _encoded(user: User) -> bytes:
    return orjson.dumps({"username": user.spec.name, "is_superuser": True})
