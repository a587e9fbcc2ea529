"""Packages: upload, list, link, delete."""

import anyio.to_thread
import structlog
from starlette.requests import Request
from starlette.responses import Response

from polyfleet.api.core.artifacts.store import StoredArtifact
from polyfleet.api.core.artifacts.upload import Upload, receive_upload
from polyfleet.api.core.downloads import download_link
from polyfleet.api.core.errors import Conflict, Forbidden, Invalid, UnsupportedMediaType
from polyfleet.api.core.facade import Facade
from polyfleet.api.dialects.rdfm import schemas
from polyfleet.api.dialects.rdfm.access import Access
from polyfleet.api.dialects.rdfm.payloads import HEAD, UPLOADS, upload_right
from polyfleet.api.dialects.rdfm.routes import Route, serial_of
from polyfleet.api.dialects.rdfm.translate import package as translate
from polyfleet.api.dialects.rdfm.translate.wire import EMPTY_OBJECT, encode, encode_list
from polyfleet.fleet.instants import timestamp
from polyfleet.fleet.names import object_name
from polyfleet.fleet.objects.kinds import PACKAGES
from polyfleet.fleet.objects.metadata import APPLICATION_LABEL, SERIAL_LABEL
from polyfleet.fleet.objects.package import Package
from polyfleet.fleet.rights import Right
from polyfleet.kube.deletion import delete_package
from polyfleet.kube.errors import AlreadyExists, ApiError, Unavailable
from polyfleet.kube.refusal import Refused

_ATTEMPTS = 8

log = structlog.get_logger("polyfleet.rdfm")


class PackageRoutes:
    """The routes below /api/v1/packages."""

    def __init__(self, facade: Facade, access: Access) -> None:
        self._facade = facade
        self._access = access
        self._application = facade.settings.default_application

    async def list(self, request: Request) -> Response:
        """List the packages that the caller may see."""
        caller = await self._access.caller(request, Right.READ)
        items = [
            encode(translate.document(item))
            for item in self._facade.cache.packages.in_serial_order()
            if caller.sees(item)
        ]
        return Response(encode_list(items), media_type="application/json")

    async def get(self, request: Request) -> Response:
        """Show a package."""
        package = await self._find(request, Right.READ)
        return Response(encode(translate.document(package)), media_type="application/json")

    async def link(self, request: Request) -> Response:
        """Tell where the package's file can be fetched."""
        package = await self._find(request, Right.READ)
        url = await download_link(self._facade, request, package)
        body = encode({"id": package.serial, "download_url": url})
        return Response(body, media_type="application/json")

    async def upload(self, request: Request) -> Response:
        """Take in a package: a form with the file and its metadata."""
        caller = await self._access.identified(request)
        limited = not caller.may(Right.WRITE_SOFTWARE, self._application)
        if limited and not any(caller.may(right, self._application) for right in UPLOADS):
            raise Forbidden("the token does not give sufficient access")
        try:
            async with receive_upload(
                self._facade.artifacts,
                request.headers.get("content-type", ""),
                request.stream(),
                maximum_size=self._facade.settings.artifacts.maximum_size,
                directory_field=translate.DIRECTORY_KEY,
                keep_head=HEAD if limited else 0,
            ) as upload:
                if limited:
                    right = await anyio.to_thread.run_sync(upload_right, upload.head)
                    caller.require(right, self._application)
                package = await self._store(upload)
        except UnsupportedMediaType as error:
            # The document knows 400 only: to it any other body is a form without a file.
            raise Invalid("", error.message) from None
        return Response(encode(translate.document(package)), media_type="application/json")

    async def delete(self, request: Request) -> Response:
        """Delete a package that no group has."""
        package = await self._find(request, Right.WRITE)
        users = [
            group.serial
            for group in self._facade.cache.groups.values()
            if package.metadata.name in group.spec.packages
            and group.spec.application == package.spec.application
            and not group.metadata.terminating
        ]
        if users:
            raise Conflict("delete failed, the package is assigned to at least one group")
        try:
            await delete_package(self._facade.writer, package, self._facade.clock())
        except Refused as error:
            raise Conflict(str(error)) from None
        return Response(EMPTY_OBJECT, media_type="application/json")

    async def _find(self, request: Request, right: Right) -> Package:
        caller = await self._access.caller(request, right)
        return caller.numbered(self._facade.cache.packages, serial_of(request), right)

    async def _store(self, upload: Upload) -> Package:
        spec = translate.spec_of(upload.fields)
        artifact = await upload.commit()
        spec |= {
            "application": self._application,
            "createdAt": timestamp(self._facade.clock()),
            "artifact": {
                "driver": artifact.driver,
                "path": artifact.path,
                "sha256": artifact.sha256,
                "size": artifact.size,
            },
        }
        try:
            return await self._create(spec)
        except (ApiError, Conflict) as error:
            # A write whose answer was lost may have been carried out: then the file stays, and is
            # swept later if no Package speaks of it.
            if not (isinstance(error, Unavailable) and error.sent):
                await self._forget(artifact)
            raise

    async def _create(self, spec: dict[str, object]) -> Package:
        for _ in range(_ATTEMPTS):
            serial = await self._facade.serials.next(PACKAGES)
            name = object_name("Package", self._application, f"package-{serial}")
            labels = {APPLICATION_LABEL: self._application, SERIAL_LABEL: str(serial)}
            try:
                return await self._facade.writer.create(PACKAGES, name, spec, labels=labels)
            except AlreadyExists:
                log.info("the name of a package was taken", name=name)
        raise Conflict("no free name was found for the package")

    async def _forget(self, artifact: StoredArtifact) -> None:
        try:
            await self._facade.artifacts.delete(artifact.path)
        except Exception:
            # Files without a Package are swept later; the first error is what is to be told.
            log.exception("file of a refused package not removed")


def routes(packages: PackageRoutes) -> "list[Route]":
    """Return the routes."""
    path = "/api/v1/packages"
    single = "/api/v1/packages/{identifier:serial}"
    form = {
        "type": "object",
        "required": ["file", "rdfm.software.version", "rdfm.hardware.devtype"],
        "properties": {
            "file": {"type": "string", "format": "binary"},
            "rdfm.software.version": {"type": "string"},
            "rdfm.hardware.devtype": {"type": "string"},
            "rdfm.storage.directory": {"type": "string"},
        },
        "additionalProperties": {"type": "string"},
    }
    return [
        Route(
            method="GET",
            path=path,
            endpoint=packages.list,
            summary="List packages",
            reply=list[schemas.Package],
            statuses=(401, 403),
        ),
        Route(
            method="POST",
            path=path,
            endpoint=packages.upload,
            summary="Upload a package",
            reply=schemas.Package,
            statuses=(400, 401, 403, 413, 507),
            extra={
                "requestBody": {
                    "required": True,
                    "content": {"multipart/form-data": {"schema": form}},
                }
            },
        ),
        Route(
            method="GET",
            path=single,
            endpoint=packages.get,
            summary="Show a package",
            reply=schemas.Package,
            statuses=(401, 403, 404),
        ),
        Route(
            method="GET",
            path=f"{single}/download",
            endpoint=packages.link,
            summary="Get a package's download link",
            reply=schemas.DownloadLink,
            statuses=(401, 403, 404),
        ),
        Route(
            method="DELETE",
            path=single,
            endpoint=packages.delete,
            summary="Delete a package",
            reply=schemas.Nothing,
            statuses=(401, 403, 404, 409),
        ),
    ]
