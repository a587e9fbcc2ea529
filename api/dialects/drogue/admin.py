"""Who owns an application and who has a role in it; who the caller is."""

from collections.abc import Callable, Mapping
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from polyfleet.api.core import errors
from polyfleet.api.core.facade import Facade
from polyfleet.api.dialects.drogue import resources, schemas
from polyfleet.api.dialects.drogue.access import Caller, caller_of
from polyfleet.api.dialects.drogue.documents import version_of
from polyfleet.api.dialects.drogue.errors import LockFailed
from polyfleet.api.dialects.drogue.routes import Route, parameter
from polyfleet.fleet.objects.application import Application, UserReference
from polyfleet.fleet.objects.kinds import APPLICATIONS
from polyfleet.fleet.objects.user import User
from polyfleet.fleet.rights import Right, is_meant
from polyfleet.kube.errors import Conflict

BASE = "/api/admin/v1alpha1"
MAX_MEMBERS = 1000
_ATTEMPTS = 12
"""With the pauses in between about ten seconds."""
_ROLES = {"reader": "reader", "manager": "manager", "writer": "manager", "admin": "admin"}


class AdminRoutes:
    """The routes below /api/admin."""

    def __init__(self, facade: Facade) -> None:
        self._facade = facade

    async def members(self, request: Request) -> Response:
        """Show who has a role; people who are gone are left out."""
        caller = await caller_of(self._facade, request)
        application = caller.application(parameter(request, "appId"), Right.ADMIN)
        found = {
            member.user: {"role": member.role}
            for member in application.spec.members
            if self._is_known(member, application)
        }
        return _json({"resourceVersion": version_of(application), "members": found})

    async def set_members(self, request: Request) -> Response:
        """Replace the list of who has a role."""
        caller = await caller_of(self._facade, request)
        application = caller.application(parameter(request, "appId"), Right.ADMIN)
        body = _object(await resources.read(request), {"resourceVersion", "members"})
        wanted = body.get("resourceVersion") or None
        if wanted is not None and not isinstance(wanted, str):
            raise errors.Invalid("resourceVersion", "must be a text")
        # Some clients leave out what is empty; without a version that could as well be a mistake.
        members = self._members(body.get("members", None if wanted is None else {}))
        if wanted not in (None, version_of(application)):
            # The cache may lag behind what the caller read elsewhere.
            await self._facade.writer.read(APPLICATIONS, application.metadata.name)

        def decide(item: Application) -> Mapping[str, Any] | None:
            _require(caller, Right.ADMIN, item)
            if wanted not in (None, version_of(item)):
                raise LockFailed("the members changed in the meantime")
            return {"spec": {"members": members or None}}

        await self._write(application, decide)
        return Response(status_code=204)

    async def transfer(self, request: Request) -> Response:
        """Show to whom the application is offered."""
        application, _ = await self._party(request)
        offered = application.spec.transfer_to
        if offered is None:
            return Response(status_code=204)
        return _json({"newUser": offered.user})

    async def start_transfer(self, request: Request) -> Response:
        """Offer the application to somebody."""
        caller = await caller_of(self._facade, request)
        application = caller.application(parameter(request, "appId"), Right.OWN)
        body = _object(await resources.read(request), {"newUser"})
        name = body.get("newUser")
        if not isinstance(name, str) or not name:
            raise errors.Invalid("newUser", "must be the name of a user")
        user = self._user(name)
        reference = {"user": user.spec.name, "uid": user.metadata.uid}

        def decide(item: Application) -> Mapping[str, Any] | None:
            _require(caller, Right.OWN, item)
            return {"spec": {"transferTo": reference}}

        await self._write(application, decide)
        return Response(status_code=202)

    async def cancel_transfer(self, request: Request) -> Response:
        """Take the offer back, or decline it."""
        application, caller = await self._party(request)

        def decide(item: Application) -> Mapping[str, Any] | None:
            _require_party(caller, item)
            return None if item.spec.transfer_to is None else {"spec": {"transferTo": None}}

        await self._write(application, decide)
        return Response(status_code=204)

    async def accept(self, request: Request) -> Response:
        """Take over an application that is offered to the caller, and to nobody else."""
        application, caller = await self._party(request)
        principal = caller.principal

        def decide(item: Application) -> Mapping[str, Any] | None:
            if not is_meant(principal, item.spec.transfer_to, item):
                raise errors.NotFound("it is not offered to the caller")
            owner = {"user": principal.name, "uid": principal.uid}
            return {"spec": {"owner": owner, "transferTo": None}}

        await self._write(application, decide)
        return Response(status_code=204)

    async def whoami(self, request: Request) -> Response:
        """Show who the caller is."""
        caller = await caller_of(self._facade, request, hidden=True)
        return _json({"id": caller.principal.uid})

    async def _party(self, request: Request) -> tuple[Application, Caller]:
        """Return an application that the caller owns or is offered. Raises NotFound."""
        caller = await caller_of(self._facade, request)
        name = parameter(request, "appId")
        application = caller.any_application(name)
        _require_party(caller, application)
        return application, caller

    async def _write(
        self, application: Application, decide: Callable[[Application], Mapping[str, Any] | None]
    ) -> None:
        if not application.present:
            raise errors.NotFound("the application is being deleted")
        name = application.metadata.name
        try:
            await self._facade.writer.update(APPLICATIONS, name, decide, attempts=_ATTEMPTS)
        except Conflict:
            raise errors.Unavailable("it changes all the time", retry_after=1.0) from None

    def _members(self, given: object) -> list[dict[str, str]]:
        entries = resources.object_of(given, "members")
        if given is None:
            raise errors.Invalid("members", "is required")
        if len(entries) > MAX_MEMBERS:
            raise errors.Invalid("members", f"has more than {MAX_MEMBERS} entries")
        found = []
        for name, entry in entries.items():
            role = _object(entry, {"role"}, f"members.{name}").get("role")
            if not isinstance(role, str) or role not in _ROLES:
                raise errors.Invalid(f"members.{name}.role", "must be reader, manager or admin")
            user = self._user(name)
            found.append({"user": name, "uid": user.metadata.uid, "role": _ROLES[role]})
        return found

    def _user(self, name: str) -> User:
        user = self._facade.identity.directory.user(name)
        if user is None:
            raise errors.Invalid("", f"Username {name} does not exist")
        return user

    def _is_known(self, member: UserReference, application: Application) -> bool:
        user = self._facade.identity.directory.user(member.user)
        if user is None:
            return False
        bound = {item.user: item.uid for item in application.status.members}
        return (member.uid or bound.get(member.user)) in (None, user.metadata.uid)


def routes(admin: AdminRoutes) -> list[Route]:
    """Return the routes below /api/admin."""
    application = f"{BASE}/apps/{{appId}}"
    transfer = f"{application}/transfer-ownership"
    return [
        Route(
            method="GET",
            path=f"{application}/members",
            endpoint=admin.members,
            summary="Show who has a role in an application",
            statuses=(200, 401, 403, 404),
            reply=schemas.Members,
        ),
        Route(
            method="PUT",
            path=f"{application}/members",
            endpoint=admin.set_members,
            summary="Replace the list of who has a role in an application",
            statuses=(204, 400, 401, 403, 404, 409),
            body=schemas.Members,
        ),
        Route(
            method="GET",
            path=transfer,
            endpoint=admin.transfer,
            summary="Show to whom an application is offered",
            statuses=(200, 204, 401, 403, 404),
            reply=schemas.Transfer,
        ),
        Route(
            method="PUT",
            path=transfer,
            endpoint=admin.start_transfer,
            summary="Offer an application to somebody",
            statuses=(202, 400, 401, 403, 404),
            body=schemas.Transfer,
        ),
        Route(
            method="DELETE",
            path=transfer,
            endpoint=admin.cancel_transfer,
            summary="Take the offer back, or decline it",
            statuses=(204, 401, 403, 404),
        ),
        Route(
            method="PUT",
            path=f"{application}/accept-ownership",
            endpoint=admin.accept,
            summary="Take over an application that is offered to the caller",
            statuses=(204, 401, 403, 404),
        ),
        Route(
            method="GET",
            path=f"{BASE}/user/whoami",
            endpoint=admin.whoami,
            summary="Show who the caller is",
            statuses=(200, 403),
            reply=schemas.Identity,
        ),
    ]


def _require(caller: Caller, right: Right, application: Application) -> None:
    if not caller.has(right, application):
        raise errors.NotFound("there is no such application")


def _require_party(caller: Caller, application: Application) -> None:
    offered = is_meant(caller.principal, application.spec.transfer_to, application)
    if not offered:
        _require(caller, Right.OWN, application)


def _object(value: object, known: set[str], field: str = "") -> dict[str, Any]:
    if not isinstance(value, dict):
        raise errors.Invalid(field, "must be a JSON object")
    for name in value:
        if name not in known:
            raise errors.Invalid(f"{field}.{name}" if field else name, "is not a known field")
    return value


def _json(document: object) -> Response:
    return Response(orjson.dumps(document), media_type="application/json")
