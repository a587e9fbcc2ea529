"""How many instances of each process type run."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from polyfleet.api.core.errors import Invalid, NotFound
from polyfleet.api.core.facade import Facade
from polyfleet.api.dialects.deis import bodies, schemas
from polyfleet.api.dialects.deis.access import caller_of
from polyfleet.api.dialects.deis.activity import Activity
from polyfleet.api.dialects.deis.changes import process_list, structure_of
from polyfleet.api.dialects.deis.documents import Documents
from polyfleet.api.dialects.deis.processes import counts, types_of
from polyfleet.api.dialects.deis.routes import BASE, Route
from polyfleet.api.dialects.deis.settling import settle
from polyfleet.fleet.objects.application import Application
from polyfleet.fleet.objects.build import Build
from polyfleet.fleet.objects.kinds import APPLICATIONS
from polyfleet.fleet.rights import Right

NO_BUILD = "No build associated with this release"


class ScaleRoutes:
    """The route /v1/apps/<app>/scale."""

    def __init__(self, facade: Facade, documents: Documents, activity: Activity) -> None:
        self._facade = facade
        self._documents = documents
        self._activity = activity

    async def scale(self, request: Request) -> Response:
        """Change how many instances of the named types run; the others stay as they are."""
        caller = await caller_of(self._facade, request)
        application = caller.application(request.path_params["app"], Right.DEPLOY)
        fields = await bodies.read_fields(request, self._facade.settings.maximum_body)
        wanted = counts(fields)
        uid = application.metadata.uid

        def decide(item: Application) -> Mapping[str, Any] | None:
            if not item.present or item.metadata.uid != uid:
                raise NotFound("the application is being deleted")
            caller.require_in(Right.DEPLOY, item)
            before = structure_of(item)
            self._check(self._build(item), before, wanted)
            after = {**before, **wanted}
            if after == before:
                return None
            return {"spec": {"workload": {"processes": process_list(after)}}}

        await self._facade.writer.update(APPLICATIONS, application.metadata.name, decide)
        if wanted:
            text = ", ".join(f"{name}={count}" for name, count in wanted.items())
            self._activity.tell(application, "Scaled", f"{caller.name} scaled containers {text}")
        await settle(self._facade, application, lambda item: _is_ready(item, wanted))
        return Response(status_code=204)

    def _build(self, application: Application) -> Build:
        release = self._documents.running(application)
        build = None if release is None else self._documents.build(release.spec.build)
        if build is None:
            raise Invalid("", NO_BUILD)
        return build

    @staticmethod
    def _check(build: Build, before: Mapping[str, int], wanted: Mapping[str, int]) -> None:
        # A build without a procfile is whatever it is called; types that one lost can only go.
        known = types_of(build) | (set() if build.spec.procfile else set(before))
        for name, count in wanted.items():
            if name not in known and (count or name not in before):
                raise Invalid("", f"Container type {name} does not exist in application")


def routes(scaling: ScaleRoutes) -> list[Route]:
    """Return the route."""
    return [
        Route(
            method="POST",
            path=f"{BASE}/apps/{{app}}/scale",
            endpoint=scaling.scale,
            summary="Change how many instances run",
            status=204,
            statuses=(403, 404, 409),
            body=schemas.Counts,
            body_needed=False,
        )
    ]


def _is_ready(application: Application, wanted: Mapping[str, int]) -> bool:
    ready = {process.type: process.ready for process in application.status.processes}
    return all(ready.get(name, 0) == count for name, count in wanted.items())
