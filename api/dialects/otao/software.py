"""The software of applications: packages by version, and what a device is sent for each."""

import orjson
from starlette.requests import Request

from polyfleet.api.core.downloads import download_link
from polyfleet.api.core.errors import NotFound
from polyfleet.api.core.facade import Facade
from polyfleet.api.dialects.otao.translate import software as translate
from polyfleet.fleet.objects.application import Application
from polyfleet.fleet.objects.package import Package

_APPLICATION = "otao: application"
_VERSION = "otao: application and version"


class Software:
    """Finds the package that stands for a version. Packages on their way out are not there."""

    def __init__(self, facade: Facade) -> None:
        self._facade = facade
        self._packages = facade.cache.packages
        self._packages.add_index(_APPLICATION, lambda item: (item.spec.application,))
        self._packages.add_index(
            _VERSION, lambda item: ((item.spec.application, item.spec.version),)
        )

    def find(self, application: str, version: str) -> Package | None:
        """Return the package of a version in the application of that object name."""
        found = self._packages.find(_VERSION, (application, version))
        return translate.chosen(item for item in found if not item.metadata.terminating)

    def all(self, application: str) -> list[Package]:
        """Return one package a version of that application, in the order of versions."""
        found = self._packages.find(_APPLICATION, application)
        return translate.of_each_version(item for item in found if not item.metadata.terminating)

    async def document(
        self, request: Request, application: Application, package: Package
    ) -> translate.Document:
        """Return a package as the document shows software."""
        specification = await self.specification(request, package)
        return translate.document(package, application.spec.name, specification)

    async def specification(self, request: Request, package: Package) -> orjson.Fragment | None:
        """Return what a device is sent: the specification, else where the package's file is."""
        if package.spec.specification is not None:
            return translate.embedded(package.spec.specification)
        artifact = package.spec.artifact
        if artifact is None:
            return None
        try:
            link = await download_link(self._facade, request, package)
        except NotFound:
            return None
        file = {"link": link, "sha256": artifact.sha256, "size": artifact.size}
        return orjson.Fragment(orjson.dumps(file))
