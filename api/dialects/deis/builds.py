"""Builds: images that are given to run. Each makes a release."""

import re
import uuid
from contextlib import suppress
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from polyfleet.api.core.errors import Invalid, NotFound, PolyfleetError
from polyfleet.api.core.facade import Facade
from polyfleet.api.dialects.deis import bodies, clients, pages, schemas
from polyfleet.api.dialects.deis.access import Caller, caller_of
from polyfleet.api.dialects.deis.changes import Changes, Wanted, structure_of
from polyfleet.api.dialects.deis.documents import born, build_document
from polyfleet.api.dialects.deis.processes import MOST_TYPES, first_scale, is_type
from polyfleet.api.dialects.deis.routes import BASE, Route
from polyfleet.fleet.instants import timestamp
from polyfleet.fleet.names import application_label, object_name
from polyfleet.fleet.objects.application import Application
from polyfleet.fleet.objects.build import Build
from polyfleet.fleet.objects.kinds import BUILDS
from polyfleet.fleet.objects.metadata import APPLICATION_LABEL
from polyfleet.fleet.objects.release import Release
from polyfleet.fleet.releases import Values
from polyfleet.fleet.rights import Right
from polyfleet.kube import errors

LONGEST_IMAGE = 256
LONGEST_SHA = 40
LONGEST_COMMAND = 4_096
LONGEST_DOCKERFILE = 65_536
_BASE = f"{BASE}/apps/{{app}}/builds"
_NEWEST_LAST = "deis: builds of an application"
_IMAGE = re.compile(r"\S+")


class BuildRoutes:
    """The routes below /v1/apps/<app>/builds."""

    def __init__(self, facade: Facade, changes: Changes) -> None:
        self._facade = facade
        self._changes = changes
        facade.cache.builds.add_index(
            _NEWEST_LAST,
            lambda build: (build.spec.application,),
            order=born,
        )

    async def show_all(self, request: Request) -> Response:
        """List the builds of an application, the newest first."""
        caller = await caller_of(self._facade, request)
        application = caller.application(request.path_params["app"])
        return pages.answer(self._facade, request, self._of(application), build_document)

    async def show(self, request: Request) -> Response:
        """Show a build."""
        caller = await caller_of(self._facade, request)
        application = caller.application(request.path_params["app"])
        wanted = request.path_params["uuid"]
        for build in self._of(application):
            if build.uuid == wanted:
                return Response(build_document(build), media_type="application/json")
        raise NotFound("there is no such build")

    async def create(self, request: Request) -> Response:
        """Give an image to run, and make a release of it."""
        caller = await caller_of(self._facade, request)
        application = caller.application(request.path_params["app"], Right.DEPLOY)
        fields = await bodies.read_fields(request, self._facade.settings.maximum_body)
        build, release = await self.deploy(caller, application, fields)
        answer = Response(build_document(build), 201, media_type="application/json")
        return clients.with_release(answer, release.spec.version)

    async def deploy(
        self, caller: Caller, application: Application, fields: bodies.Fields
    ) -> tuple[Build, Release]:
        """Make a build of the fields and a release of it. Raises Invalid and as of `carry_out`."""
        spec = _spec(fields)
        name = application.metadata.name
        build_uuid = str(uuid.uuid4())
        build = await self._facade.writer.create(
            BUILDS,
            object_name(BUILDS.name, name, build_uuid),
            {
                **spec,
                "application": name,
                "uuid": build_uuid,
                "owner": caller.name,
                "createdAt": timestamp(self._facade.clock()),
            },
            labels={APPLICATION_LABEL: application_label(name)},
        )

        def decide(item: Application, _: Values) -> Wanted:
            first = None if structure_of(item) else first_scale(build.spec.procfile)
            return Wanted(build=build.metadata.name, processes=first)

        try:
            _, release = await self._changes.carry_out(caller, application, decide)
        except (PolyfleetError, errors.ApiError) as error:
            # Nobody was told of it; but without an answer the application may name it all the same.
            if not isinstance(error, errors.Unavailable):
                await self._take_back(build)
            raise
        return build, release

    async def _take_back(self, build: Build) -> None:
        application = self._facade.cache.applications.get(build.spec.application)
        workload = None if application is None else application.spec.workload
        if workload is None or workload.build != build.metadata.name:
            with suppress(errors.ApiError):
                await self._facade.writer.delete(BUILDS, build)

    def _of(self, application: Application) -> list[Build]:
        found = self._facade.cache.builds.find(_NEWEST_LAST, application.metadata.name)
        return list(reversed(found))


def routes(builds: BuildRoutes) -> list[Route]:
    """Return the routes below /v1/apps/<app>/builds."""
    return [
        Route(
            method="GET",
            path=_BASE,
            endpoint=builds.show_all,
            summary="List the builds of an application",
            statuses=(404,),
            query=pages.QUERY,
            reply=schemas.Page[schemas.Build],
        ),
        Route(
            method="POST",
            path=_BASE,
            endpoint=builds.create,
            summary="Give an image to run",
            status=201,
            statuses=(403, 404, 409),
            body=schemas.NewBuild,
            reply=schemas.Build,
        ),
        Route(
            method="GET",
            path=f"{_BASE}/{{uuid}}",
            endpoint=builds.show,
            summary="Show a build",
            statuses=(404,),
            reply=schemas.Build,
        ),
    ]


def _spec(fields: bodies.Fields) -> dict[str, Any]:
    image = bodies.text(fields, "image", longest=LONGEST_IMAGE)
    if not _IMAGE.fullmatch(image):
        raise Invalid("image", "An image's name has no spaces.")
    found: dict[str, Any] = {"image": image}
    for name, longest in (("sha", LONGEST_SHA), ("dockerfile", LONGEST_DOCKERFILE)):
        value = bodies.optional_text(fields, name, longest=longest)
        if value:
            found[name] = value
    procfile = _procfile(bodies.mapping(fields, "procfile") or {})
    return {**found, "procfile": procfile} if procfile else found


def _procfile(given: dict[str, Any]) -> dict[str, str]:
    if len(given) > MOST_TYPES:
        raise Invalid("procfile", f"There are at most {MOST_TYPES} process types.")
    for name, command in given.items():
        if not is_type(name):
            raise Invalid("procfile", f"'{name[:64]}' is no process type: a-z, 0-9 and -")
        if not isinstance(command, str) or not 0 < len(command) <= LONGEST_COMMAND:
            raise Invalid("procfile", f"A command is a text of 1 to {LONGEST_COMMAND} characters.")
    return given
