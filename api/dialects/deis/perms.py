"""Who collaborates on an application: members with the role `manager` or more.

Collaborators see and change all of it, but neither share nor destroy it.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from polyfleet.api.core.errors import Conflict, NotFound
from polyfleet.api.core.facade import Facade
from polyfleet.api.dialects.deis import bodies, schemas
from polyfleet.api.dialects.deis.access import Caller, caller_of, user_of_name
from polyfleet.api.dialects.deis.activity import Activity
from polyfleet.api.dialects.deis.errors import answer
from polyfleet.api.dialects.deis.routes import BASE, Route
from polyfleet.fleet.objects.application import Application, Member
from polyfleet.fleet.objects.kinds import APPLICATIONS
from polyfleet.fleet.objects.user import User
from polyfleet.fleet.rights import Right

MAX_MEMBERS = 1000
_BASE = f"{BASE}/apps/{{app}}/perms"
_COLLABORATORS = frozenset({"manager", "admin"})


class PermissionRoutes:
    """The routes below /v1/apps/<app>/perms."""

    def __init__(self, facade: Facade, activity: Activity) -> None:
        self._facade = facade
        self._activity = activity

    async def show(self, request: Request) -> Response:
        """List who collaborates; the owner does not count."""
        caller = await caller_of(self._facade, request)
        application = caller.application(request.path_params["app"])
        found = [
            member.user
            for member in application.spec.members
            if member.role in _COLLABORATORS and self._is_known(member, application)
        ]
        return answer(200, {"users": found})

    async def create(self, request: Request) -> Response:
        """Make a user a collaborator; nothing changes for one who is."""
        caller = await caller_of(self._facade, request)
        application = caller.application(request.path_params["app"], Right.ADMIN)
        fields = await bodies.read_fields(request, self._facade.settings.maximum_body)
        user = user_of_name(self._facade, bodies.text(fields, "username"))

        def decide(item: Application) -> Mapping[str, Any] | None:
            caller.require_in(Right.ADMIN, item)
            return _with(item, user)

        await self._facade.writer.update(APPLICATIONS, application.metadata.name, decide)
        text = f"{caller.name} granted access to {user.spec.name}"
        self._activity.tell(application, "AccessGranted", text)
        return Response(status_code=201)

    async def delete(self, request: Request) -> Response:
        """Let a user collaborate no longer; everybody may let go of it for themselves."""
        caller = await caller_of(self._facade, request)
        application = caller.application(request.path_params["app"])
        name = request.path_params["username"]
        self._require(caller, application, name)
        if not _collaborates(application, name):
            application = await self._facade.writer.read(APPLICATIONS, application.metadata.name)
        if not _collaborates(application, name):
            raise NotFound("not a collaborator")

        def decide(item: Application) -> Mapping[str, Any] | None:
            self._require(caller, item, name)
            others = [member for member in item.spec.members if member.user != name]
            return _members(others) if _collaborates(item, name) else None

        await self._facade.writer.update(APPLICATIONS, application.metadata.name, decide)
        text = f"{caller.name} revoked access of {name}"
        self._activity.tell(application, "AccessRevoked", text)
        return Response(status_code=204)

    def _require(self, caller: Caller, application: Application, name: str) -> None:
        if name != caller.principal.name or caller.principal.restricted:
            caller.require_in(Right.ADMIN, application)

    def _is_known(self, member: Member, application: Application) -> bool:
        user = self._facade.identity.directory.user(member.user)
        if user is None:
            return False
        bound = {item.user: item.uid for item in application.status.members}
        return (member.uid or bound.get(member.user)) in (None, user.metadata.uid)


def routes(permissions: PermissionRoutes) -> list[Route]:
    """Return the routes below /v1/apps/<app>/perms.

    The document removes by POST, its clients by DELETE.
    """
    removals = [
        Route(
            method=method,
            path=f"{_BASE}/{{username}}",
            endpoint=permissions.delete,
            summary="Let a user collaborate no longer",
            status=204,
            statuses=(403, 404, 409),
        )
        for method in ("DELETE", "POST")
    ]
    return [
        Route(
            method="GET",
            path=_BASE,
            endpoint=permissions.show,
            summary="List who collaborates on an application",
            statuses=(404,),
            reply=schemas.Users,
        ),
        Route(
            method="POST",
            path=_BASE,
            endpoint=permissions.create,
            summary="Let a user collaborate on an application",
            status=201,
            statuses=(403, 404, 409),
            body=schemas.UserName,
        ),
        *removals,
    ]


def _collaborates(application: Application, name: str) -> bool:
    return any(
        member.user == name and member.role in _COLLABORATORS for member in application.spec.members
    )


def _with(application: Application, user: User) -> Mapping[str, Any] | None:
    name, uid = user.spec.name, user.metadata.uid
    others = [member for member in application.spec.members if member.user != name]
    for member in application.spec.members:
        if member.user == name and member.uid == uid and member.role in _COLLABORATORS:
            return None
    if len(others) >= MAX_MEMBERS:
        raise Conflict(f"An application has at most {MAX_MEMBERS} members.")
    return _members([*others, Member(user=name, uid=uid, role="manager")])


def _members(members: list[Member]) -> Mapping[str, Any]:
    found = [
        {key: value for key, value in msgspec.to_builtins(member).items() if value is not None}
        for member in members
    ]
    return {"spec": {"members": found or None}}
