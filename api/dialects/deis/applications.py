"""Applications: list, make, show, hand over, destroy."""

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from polyfleet.api.core.errors import Conflict, Forbidden, Invalid, NotFound
from polyfleet.api.core.facade import Facade
from polyfleet.api.dialects.deis import app_names, bodies, pages, schemas
from polyfleet.api.dialects.deis.access import Caller, caller_of, user_of_name
from polyfleet.api.dialects.deis.addresses import domain_of
from polyfleet.api.dialects.deis.changes import Changes, process_list, wish
from polyfleet.api.dialects.deis.documents import Documents, born
from polyfleet.api.dialects.deis.errors import NOT_ALLOWED
from polyfleet.api.dialects.deis.processes import counts_of
from polyfleet.api.dialects.deis.routes import BASE, Route
from polyfleet.api.dialects.deis.settling import be_gone
from polyfleet.fleet.instants import timestamp
from polyfleet.fleet.objects.application import Application
from polyfleet.fleet.objects.kinds import APPLICATIONS
from polyfleet.fleet.objects.metadata import FINALIZER
from polyfleet.fleet.rights import Right
from polyfleet.kube import errors
from polyfleet.kube.releases import ensure_release

_BASE = f"{BASE}/apps"
_ALL = "deis: applications"
_BY_PERSON = "deis: applications by uid of who has a role"
_ATTEMPTS = 8


class ApplicationRoutes:
    """The routes of applications themselves."""

    def __init__(self, facade: Facade, documents: Documents, changes: Changes) -> None:
        self._facade = facade
        self._documents = documents
        self._changes = changes
        store = facade.cache.applications
        store.add_index(_ALL, lambda item: (True,) if item.present else (), order=born)
        store.add_index(_BY_PERSON, _people, order=born)

    async def show_all(self, request: Request) -> Response:
        """List the applications that the caller may read, the oldest first."""
        caller = await caller_of(self._facade, request)
        domain = domain_of(self._facade, request)
        return pages.answer(
            self._facade,
            request,
            self._readable(caller),
            lambda item: self._documents.application(item, domain),
        )

    async def create(self, request: Request) -> Response:
        """Make an application that belongs to the caller, and its first release."""
        caller = await caller_of(self._facade, request)
        fields = await bodies.read_fields(request, self._facade.settings.maximum_body)
        spec: dict[str, Any] = {"createdAt": timestamp(self._facade.clock()), **self._owner(caller)}
        spec["workload"] = {"change": wish(caller)}
        structure = counts_of(fields, "structure")
        if structure:
            spec["workload"]["processes"] = process_list(structure)
        given = bodies.optional_text(fields, "id")
        if given:
            application = await self._create(caller, app_names.checked(given), spec)
        else:
            application = await self._create_named(caller, spec)
        facade = self._facade
        await ensure_release(facade.writer, facade.cache, application, facade.clock())
        body = self._documents.application(application, domain_of(self._facade, request))
        return Response(body, 201, media_type="application/json")

    async def show(self, request: Request) -> Response:
        """Show an application."""
        caller = await caller_of(self._facade, request)
        application = caller.application(request.path_params["app"])
        body = self._documents.application(application, domain_of(self._facade, request))
        return Response(body, media_type="application/json")

    async def transfer(self, request: Request) -> Response:
        """Give an application to another owner."""
        caller = await caller_of(self._facade, request)
        application = caller.application(request.path_params["app"], Right.OWN)
        fields = await bodies.read_fields(request, self._facade.settings.maximum_body)
        user = user_of_name(self._facade, bodies.text(fields, "owner"))
        owner = {"user": user.spec.name, "uid": user.metadata.uid}

        def decide(item: Application) -> Mapping[str, Any] | None:
            caller.require_in(Right.OWN, item)
            return {"spec": {"owner": owner, "transferTo": None}}

        await self._facade.writer.update(APPLICATIONS, application.metadata.name, decide)
        return Response(status_code=200)

    async def delete(self, request: Request) -> Response:
        """Destroy an application and all that belongs to it."""
        caller = await caller_of(self._facade, request)
        application = caller.application(request.path_params["app"], Right.ADMIN)
        writer, name, uid = self._facade.writer, application.metadata.name, application.metadata.uid
        if name == self._facade.settings.default_application:
            raise Conflict("The default application stays.")
        for _ in range(_ATTEMPTS):
            try:
                await writer.delete(APPLICATIONS, application)
            except errors.Conflict:
                application = await writer.read(APPLICATIONS, name)
                if not application.present or application.metadata.uid != uid:
                    raise NotFound("it is being deleted already") from None
                caller.require_in(Right.ADMIN, application)
            else:
                await be_gone(self._facade, application)
                return Response(status_code=204)
        raise Conflict("The application changes all the time; try again.")

    def _readable(self, caller: Caller) -> Sequence[Application]:
        store = self._facade.cache.applications
        if caller.administers:
            return store.find(_ALL, True)
        principal = caller.principal
        found = [] if principal.restricted else list(store.find(_BY_PERSON, principal.uid))
        # Scopes may open the default application to who has no role in it.
        default = store.get(self._facade.settings.default_application)
        if default is not None and default not in found and caller.has(Right.READ, default):
            found.append(default)
            found.sort(key=born)
        return [item for item in found if item.present and caller.has(Right.READ, item)]

    def _owner(self, caller: Caller) -> dict[str, Any]:
        """Return who owns an application that the caller makes. Raises Forbidden.

        Administrators who are no users here make ones without an owner.
        """
        try:
            user = caller.person()
        except Forbidden:
            if caller.administers:
                return {}
            raise Forbidden(NOT_ALLOWED) from None
        return {"owner": {"user": user.spec.name, "uid": user.metadata.uid}}

    async def _create_named(self, caller: Caller, spec: dict[str, Any]) -> Application:
        for _ in range(_ATTEMPTS):
            name = app_names.generated()
            if self._facade.cache.applications.get(name) is None:
                try:
                    return await self._create(caller, name, spec)
                except (Invalid, Conflict):
                    continue
        raise Conflict("There is no free name among those tried; give an id.")

    async def _create(self, caller: Caller, name: str, spec: dict[str, Any]) -> Application:
        store = self._facade.cache.applications
        known = store.get(name)
        if known is not None and not known.present:
            await be_gone(self._facade, known)
            known = store.get(name)
        if known is not None:
            raise _taken(known)
        spec = await self._changes.begin(caller, name, {**spec, "name": name})
        try:
            # The finalizer is ours from birth: without it, a deletion before the operator has
            # seen the application would leave what belongs to it to the next of the name.
            return await self._facade.writer.create(
                APPLICATIONS, name, spec, finalizers=[FINALIZER]
            )
        except errors.AlreadyExists:
            await self._changes.forget(name, spec["config"]["uuid"])
            raise _taken(await self._facade.writer.read(APPLICATIONS, name)) from None


def routes(applications: ApplicationRoutes) -> list[Route]:
    """Return the routes of applications themselves."""
    single = f"{_BASE}/{{app}}"
    return [
        Route(
            method="GET",
            path=_BASE,
            endpoint=applications.show_all,
            summary="List applications",
            statuses=(404,),
            query=pages.QUERY,
            reply=schemas.Page[schemas.App],
        ),
        Route(
            method="POST",
            path=_BASE,
            endpoint=applications.create,
            summary="Make an application",
            status=201,
            statuses=(403, 409),
            body=schemas.NewApp,
            body_needed=False,
            reply=schemas.App,
        ),
        Route(
            method="GET",
            path=single,
            endpoint=applications.show,
            summary="Show an application",
            statuses=(404,),
            reply=schemas.App,
        ),
        Route(
            method="POST",
            path=single,
            endpoint=applications.transfer,
            summary="Give an application to another owner",
            statuses=(403, 404, 409),
            body=schemas.Owner,
        ),
        Route(
            method="DELETE",
            path=single,
            endpoint=applications.delete,
            summary="Destroy an application",
            status=204,
            statuses=(403, 404, 409),
        ),
    ]


def _people(application: Application) -> set[str]:
    """Return the uids of those with a role, so that a person's list costs what it shows."""
    spec, bound = application.spec, application.status.members
    named = [*spec.members, *([spec.owner] if spec.owner is not None else ()), *bound]
    return {person.uid for person in named if person.uid is not None}


def _taken(application: Application) -> Invalid | Conflict:
    if not application.present:
        return Conflict(f"{application.metadata.name} is still being destroyed; try again.")
    return Invalid("id", "App with this Id already exists.")
