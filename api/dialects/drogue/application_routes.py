"""Applications: list, make, show, change, remove."""

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from polyfleet.api.core import errors
from polyfleet.api.core.addresses import base_url
from polyfleet.api.core.facade import Facade
from polyfleet.api.dialects.drogue import (
    finalizers,
    listing,
    patching,
    resources,
    schemas,
    trust,
    writing,
)
from polyfleet.api.dialects.drogue.access import Caller, caller_of
from polyfleet.api.dialects.drogue.documents import Documents, application_document
from polyfleet.api.dialects.drogue.resources import Given, Preconditions
from polyfleet.api.dialects.drogue.routes import Route, parameter
from polyfleet.fleet.claims import ClaimedName, claimed_by, subjects
from polyfleet.fleet.instants import timestamp
from polyfleet.fleet.objects.application import Application
from polyfleet.fleet.objects.claim import ClaimHolder
from polyfleet.fleet.objects.kinds import APPLICATIONS
from polyfleet.fleet.objects.metadata import FINALIZER
from polyfleet.fleet.rights import Right
from polyfleet.kube import claims
from polyfleet.kube.errors import Conflict, Invalid

BASE = "/api/registry/v1alpha1/apps"


class ApplicationRoutes:
    """The routes of applications below /api/registry."""

    def __init__(self, facade: Facade, documents: Documents, order: listing.Order) -> None:
        self._facade = facade
        self._documents = documents
        self._order = order

    async def list(self, request: Request) -> Response:
        """List the applications that the caller may read."""
        caller = await caller_of(self._facade, request)
        wanted = listing.wanted_of(request)
        found = self._order.applications(wanted, lambda item: caller.has(Right.READ, item))
        return listing.answer(found, self._documents.application)

    async def create(self, request: Request) -> Response:
        """Make an application that belongs to the caller."""
        caller = await caller_of(self._facade, request)
        given = resources.application_of(await resources.read(request))
        owner = _owner(self._facade, caller)
        if self._facade.cache.applications.get(given.name) is not None:
            raise errors.AlreadyExists("the name is taken")
        data = await _data(given)
        spec: dict[str, Any] = {
            "name": given.name,
            "createdAt": timestamp(self._facade.clock()),
            **owner,
        }
        if data:
            spec["data"] = data
        await self._make(given, spec, subjects(data.get("status", {})))
        location = f"{base_url(self._facade, request)}{BASE}/{given.name}"
        return Response(status_code=201, headers={"Location": location})

    async def get(self, request: Request) -> Response:
        """Show an application."""
        caller = await caller_of(self._facade, request)
        application = caller.application(parameter(request, "appId"))
        return Response(self._documents.application(application), media_type="application/json")

    async def put(self, request: Request) -> Response:
        """Replace what clients of this API wrote about an application."""
        caller, application = await self._writable(request, Right.WRITE)
        given = resources.application_of(await resources.read(request))
        if given.name != application.spec.name:
            raise errors.Invalid("metadata.name", "must be the name in the path")
        await self._replace(caller, application, lambda _: given, Preconditions())
        return Response(status_code=204)

    async def patch(self, request: Request) -> Response:
        """Change an application by a JSON patch."""
        caller, application = await self._writable(request, Right.WRITE)
        patch = patching.checked(await resources.read(request))

        def make(item: Application) -> Given:
            given = resources.application_of(patching.apply(patch, application_document(item)))
            if given.name != item.spec.name:
                raise errors.Invalid("metadata.name", "cannot be changed")
            return given

        await self._replace(caller, application, make, resources.queried(request))
        return Response(status_code=204)

    async def delete(self, request: Request) -> Response:
        """Remove an application and all that belongs to it."""
        caller, application = await self._writable(request, Right.ADMIN)
        document = await resources.read(request, optional=True)
        preconditions = resources.queried(request, document)
        if application.metadata.name == self._facade.settings.default_application:
            raise errors.Conflict("the default application stays")
        writer = self._facade.writer

        async def attempt(item: Application) -> bool:
            if item.metadata.terminating:
                raise errors.NotFound("it is being deleted already")
            unused = await claims.held(writer, claimed_by(item), _holder(item))
            try:
                await writer.delete(APPLICATIONS, item)
            except Conflict:
                return False
            await claims.release(writer, unused)
            return True

        await writing.until_written(
            writer,
            APPLICATIONS,
            application,
            preconditions,
            attempt,
            still_allowed=lambda item: caller.require_in(Right.ADMIN, item),
        )
        return Response(status_code=204)

    async def _writable(self, request: Request, right: Right) -> tuple[Caller, Application]:
        caller = await caller_of(self._facade, request)
        application = caller.application(parameter(request, "appId"))
        caller.require_in(right, application)
        return caller, application

    async def _make(
        self, given: Given, spec: dict[str, Any], names: frozenset[ClaimedName]
    ) -> None:
        facade = self._facade
        name = given.name
        holder = ClaimHolder(kind=APPLICATIONS.name, name=name)
        taken = await claims.take(facade.writer, names, holder, facade.clock())
        try:
            # Ours from birth: without it, a deletion before the operator has seen the application
            # would leave its devices behind for the next of the name.
            await facade.writer.create(
                APPLICATIONS,
                name,
                spec,
                labels=given.labels,
                finalizers=[FINALIZER, *finalizers.native(given.finalizers)],
            )
        except Invalid:
            await claims.release(facade.writer, taken)
            raise

    async def _replace(
        self,
        caller: Caller,
        application: Application,
        make: Callable[[Application], Given],
        preconditions: Preconditions,
    ) -> None:
        async def attempt(item: Application) -> bool:
            given = make(item)
            writer = self._facade.writer
            item = await writing.settled(writer, APPLICATIONS, item, given.preconditions)
            return await self._write(item, given)

        await writing.until_written(
            self._facade.writer,
            APPLICATIONS,
            application,
            preconditions,
            attempt,
            still_allowed=lambda item: caller.require_in(Right.WRITE, item),
        )

    async def _write(self, application: Application, given: Given) -> bool:
        """Write what is given; return False if somebody else was faster."""
        writer = self._facade.writer
        data = await _data(given)
        operations = writing.operations(application, given, data)
        if not operations:
            return True
        names, before = subjects(data.get("status", {})), claimed_by(application)
        holder = _holder(application)
        await claims.take(writer, names - before, holder, self._facade.clock())
        unused = await claims.held(writer, before - names, holder)
        try:
            changed = await writer.patch(APPLICATIONS, application, operations)
        except Conflict:
            return False
        if changed.metadata.terminating and not changed.metadata.finalizers:
            self._facade.cache.applications.remove(changed, confirmed=False)
        await claims.release(writer, unused)
        return True


def routes(applications: ApplicationRoutes) -> "list[Route]":
    """Return the routes of applications."""
    single = f"{BASE}/{{appId}}"
    return [
        Route(
            method="GET",
            path=BASE,
            endpoint=applications.list,
            summary="List applications",
            statuses=(200, 400, 401),
            query=("labels", "limit", "offset"),
            unauthenticated=401,
            reply=list[schemas.App],
        ),
        Route(
            method="POST",
            path=BASE,
            endpoint=applications.create,
            summary="Make an application",
            statuses=(201, 400, 401, 403, 409, 413),
            body=schemas.App,
            headers=("Location",),
        ),
        Route(
            method="GET",
            path=single,
            endpoint=applications.get,
            summary="Show an application",
            statuses=(200, 401, 403, 404),
            reply=schemas.App,
        ),
        Route(
            method="PUT",
            path=single,
            endpoint=applications.put,
            summary="Replace an application",
            statuses=(204, 400, 401, 403, 404, 409, 413),
            body=schemas.App,
        ),
        Route(
            method="DELETE",
            path=single,
            endpoint=applications.delete,
            summary="Remove an application",
            statuses=(204, 400, 401, 403, 404, 409),
            query=("uid", "resourceVersion"),
            body=schemas.Deletion,
            body_required=False,
        ),
        Route(
            method="PATCH",
            path=single,
            endpoint=applications.patch,
            summary="Change an application by a JSON patch",
            statuses=(204, 400, 401, 403, 404, 409, 413),
            query=("uid", "resourceVersion"),
            body=schemas.Patch,
        ),
    ]


def _owner(facade: Facade, caller: Caller) -> dict[str, Any]:
    """Return who owns an application that the caller makes.

    Administrators who are no users here make ones without an owner. Raises Forbidden.
    """
    principal = caller.principal
    user = facade.identity.directory.user_by_uid(principal.uid)
    if user is not None and not principal.restricted:
        return {"owner": {"user": user.spec.name, "uid": user.metadata.uid}}
    if principal.administrator:
        return {}
    raise errors.Forbidden("only people own applications")


async def _data(given: Given) -> dict[str, Any]:
    data = given.data(given.spec)
    status = await trust.status_of(given.spec, given.status)
    data.pop("status", None)
    return data | ({"status": status} if status else {})


def _holder(application: Application) -> ClaimHolder:
    meta = application.metadata
    return ClaimHolder(kind=APPLICATIONS.name, name=meta.name, uid=meta.uid)
