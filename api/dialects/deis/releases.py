"""Releases: numbered pairs of a build and a configuration, and going back to an earlier one."""

import re

from starlette.requests import Request
from starlette.responses import Response

from polyfleet.api.core.errors import Invalid, NotFound
from polyfleet.api.core.facade import Facade
from polyfleet.api.dialects.deis import bodies, pages, schemas
from polyfleet.api.dialects.deis.access import caller_of
from polyfleet.api.dialects.deis.changes import Changes, Wanted
from polyfleet.api.dialects.deis.documents import Documents
from polyfleet.api.dialects.deis.errors import answer
from polyfleet.api.dialects.deis.routes import BASE, Route
from polyfleet.fleet.objects.application import Application
from polyfleet.fleet.objects.release import Release
from polyfleet.fleet.releases import Values
from polyfleet.fleet.rights import Right

_BASE = f"{BASE}/apps/{{app}}/releases"
_VERSION = re.compile(r"v([1-9][0-9]{0,9})")
_NUMBER = re.compile(r"v?([0-9]{1,10})")


class ReleaseRoutes:
    """The routes below /v1/apps/<app>/releases."""

    def __init__(self, facade: Facade, documents: Documents, changes: Changes) -> None:
        self._facade = facade
        self._documents = documents
        self._changes = changes

    async def show_all(self, request: Request) -> Response:
        """List the releases of an application, the newest first."""
        caller = await caller_of(self._facade, request)
        application = caller.application(request.path_params["app"])
        found = self._documents.releases(application)
        return pages.answer(self._facade, request, found, self._documents.release)

    async def show(self, request: Request) -> Response:
        """Show a release."""
        caller = await caller_of(self._facade, request)
        application = caller.application(request.path_params["app"])
        match = _VERSION.fullmatch(request.path_params["version"])
        if match is None:
            raise NotFound("there is no such release")
        release = self._numbered(application, int(match[1]))
        return Response(self._documents.release(release), media_type="application/json")

    async def roll_back(self, request: Request) -> Response:
        """Make a release of the build and configuration of an earlier one."""
        caller = await caller_of(self._facade, request)
        application = caller.application(request.path_params["app"], Right.DEPLOY)
        fields = await bodies.read_fields(request, self._facade.settings.maximum_body)
        wanted = _wanted(fields.get("version"))

        def decide(item: Application, _: Values) -> Wanted:
            earlier = self._numbered(item, wanted or self._previous(item))
            if earlier.spec.build is None and self._documents.runs_unnamed(item):
                raise Invalid("version", "It has no build, and builds by kubectl run unasked.")
            return Wanted(earlier=earlier)

        _, release = await self._changes.carry_out(caller, application, decide)
        return answer(201, {"version": release.spec.version})

    def _previous(self, application: Application) -> int:
        newest = self._documents.newest(application)
        number = 0 if newest is None else newest.spec.version - 1
        if number < 1:
            raise Invalid("", "version cannot be below 0")
        return number

    def _numbered(self, application: Application, number: int) -> Release:
        for release in self._documents.releases(application):
            if release.spec.version == number:
                return release
        raise NotFound("there is no such release")


def routes(releases: ReleaseRoutes) -> list[Route]:
    """Return the routes below /v1/apps/<app>/releases."""
    return [
        Route(
            method="GET",
            path=_BASE,
            endpoint=releases.show_all,
            summary="List the releases of an application",
            statuses=(404,),
            query=pages.QUERY,
            reply=schemas.Page[schemas.Release],
        ),
        Route(
            method="POST",
            path=f"{_BASE}/rollback",
            endpoint=releases.roll_back,
            summary="Go back to an earlier release",
            status=201,
            statuses=(403, 404, 409),
            body=schemas.Rollback,
            body_needed=False,
            reply=schemas.NewVersion,
        ),
        Route(
            method="GET",
            path=f"{_BASE}/{{version}}",
            endpoint=releases.show,
            summary="Show a release",
            statuses=(404,),
            reply=schemas.Release,
        ),
    ]


def _wanted(given: object) -> int:
    """Return the number that a client asks for; 0 for the one before the newest."""
    if given is None or given == "":
        return 0
    match = _NUMBER.fullmatch(str(given)) if not isinstance(given, bool | float) else None
    if match is None:
        raise Invalid("version", "A version is a number, such as 3.")
    return int(match[1])
