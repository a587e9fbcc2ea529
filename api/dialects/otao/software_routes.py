"""Software of an application: list, show, make, change."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import orjson
from starlette.requests import Request
from starlette.responses import Response

from polyfleet.api.core.addresses import base_url
from polyfleet.api.core.errors import AlreadyExists, NotFound
from polyfleet.api.core.facade import Facade
from polyfleet.api.dialects.otao import schemas
from polyfleet.api.dialects.otao.access import application_for
from polyfleet.api.dialects.otao.bodies import check_version, read_software
from polyfleet.api.dialects.otao.errors import JSON
from polyfleet.api.dialects.otao.routes import READ, UPDATE, Route
from polyfleet.api.dialects.otao.software import Software
from polyfleet.fleet.instants import timestamp
from polyfleet.fleet.names import application_label, object_name
from polyfleet.fleet.objects.kinds import PACKAGES
from polyfleet.fleet.objects.metadata import APPLICATION_LABEL, SERIAL_LABEL
from polyfleet.fleet.objects.package import Package
from polyfleet.fleet.rights import Right
from polyfleet.kube import errors as kube


class SoftwareRoutes:
    """The routes below `/applications/{appName}/software`; `base` is what comes before it."""

    def __init__(self, facade: Facade, software: Software, base: str) -> None:
        self._facade = facade
        self._software = software
        self._base = base

    async def list(self, request: Request) -> Response:
        """List the software of an application, lowest version first."""
        application = await application_for(self._facade, request, Right.READ_SOFTWARE)
        documents = [
            await self._software.document(request, application, package)
            for package in self._software.all(application.metadata.name)
        ]
        return Response(orjson.dumps(documents), media_type=JSON)

    async def show(self, request: Request) -> Response:
        """Show a version."""
        application = await application_for(self._facade, request, Right.READ_SOFTWARE)
        package = self._find(request, application.metadata.name)
        document = await self._software.document(request, application, package)
        return Response(orjson.dumps(document), media_type=JSON)

    async def create(self, request: Request) -> Response:
        """Make a version that is not there."""
        application = await application_for(self._facade, request, Right.WRITE_SOFTWARE)
        version = request.path_params["softwareVersion"]
        check_version("softwareVersion", version)
        body = await read_software(request, self._facade.settings.maximum_body)
        if self._software.find(application.metadata.name, version) is not None:
            raise _taken(version)
        spec = {key: value for key, value in body.changing().items() if value is not None}
        if body.specification is not None:
            spec["specification"] = body.specification
        await self._create(application.metadata.name, version, spec)
        return Response(None, 201, {"Location": self._location(request)})

    async def update(self, request: Request) -> Response:
        """Change all of a version but its specification."""
        application = await application_for(self._facade, request, Right.WRITE_SOFTWARE)
        package = self._find(request, application.metadata.name)
        wanted = (await read_software(request, self._facade.settings.maximum_body)).changing()

        def decide(current: Package) -> Mapping[str, Any]:
            if current.metadata.uid != package.metadata.uid or current.metadata.terminating:
                raise _absent(package.spec.version)
            return {"spec": wanted}

        try:
            await self._facade.writer.update(PACKAGES, package.metadata.name, decide)
        except kube.NotFound:
            raise _absent(package.spec.version) from None
        return Response(None, 204)

    def _find(self, request: Request, application: str) -> Package:
        version = request.path_params["softwareVersion"]
        found = self._software.find(application, version)
        if found is None:
            check_version("softwareVersion", version)
            raise _absent(version)
        return found

    async def _create(self, application: str, version: str, spec: Mapping[str, Any]) -> None:
        # The object's name is made of the version: of two writers the API server takes one.
        name = object_name("Package", application, version)
        labels = {
            APPLICATION_LABEL: application_label(application),
            SERIAL_LABEL: str(await self._facade.serials.next(PACKAGES)),
        }
        whole = {
            "application": application,
            "version": version,
            "createdAt": timestamp(self._facade.clock()),
            **spec,
        }
        try:
            await self._facade.writer.create(PACKAGES, name, whole, labels=labels)
        except kube.AlreadyExists:
            raise _taken(version) from None

    def _location(self, request: Request) -> str:
        """Return the address of a version in the form of the document's sample."""
        name, version = (
            quote(request.path_params[key], safe="+") for key in ("appName", "softwareVersion")
        )
        root = base_url(self._facade, request) + self._base
        return f"{root}/applications/{name}/software/versions/{version}"


def routes(software: SoftwareRoutes, base: str) -> "list[Route]":
    """Return the routes below a base path.

    The address in the sample of `Location` has a path element that no operation of the document
    has; it answers as the other does.
    """
    path = f"{base}/applications/{{appName}}/software"
    return [
        Route(
            method="GET",
            path=path,
            endpoint=software.list,
            summary="Returns software by application name.",
            scope=READ,
            reply=list[schemas.Software],
        ),
        *_single(software, f"{path}/{{softwareVersion}}"),
        *_single(software, f"{path}/versions/{{softwareVersion}}"),
    ]


def _single(software: SoftwareRoutes, path: str) -> "list[Route]":
    return [
        Route(
            method="GET",
            path=path,
            endpoint=software.show,
            summary="Returns software by application name and software version.",
            scope=READ,
            reply=schemas.Software,
            statuses=(400,),
        ),
        Route(
            method="PUT",
            path=path,
            endpoint=software.update,
            summary="Updates software.",
            scope=UPDATE,
            body=schemas.ChangedSoftware,
            status=204,
            statuses=(400, 413, 415),
        ),
        Route(
            method="POST",
            path=path,
            endpoint=software.create,
            summary="Creates software.",
            scope=UPDATE,
            body=schemas.NewSoftware,
            status=201,
            statuses=(400, 413, 415),
        ),
    ]


def _taken(version: str) -> AlreadyExists:
    return AlreadyExists(f"software {version} exists already, or is being deleted")


def _absent(version: str) -> NotFound:
    return NotFound(f"there is no software {version} in the application")
