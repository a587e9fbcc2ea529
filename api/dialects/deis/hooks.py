"""What the builder calls, which proves itself by a key and acts for a user."""

import hmac
import uuid

from starlette.requests import Request
from starlette.responses import Response

from polyfleet.api.core.errors import Forbidden, Unauthenticated
from polyfleet.api.core.facade import Facade
from polyfleet.api.core.identity.directory import principal_of
from polyfleet.api.dialects.deis import bodies, schemas
from polyfleet.api.dialects.deis.access import Caller, user_of_name
from polyfleet.api.dialects.deis.activity import Activity
from polyfleet.api.dialects.deis.addresses import domain_of
from polyfleet.api.dialects.deis.builds import BuildRoutes
from polyfleet.api.dialects.deis.changes import Changes
from polyfleet.api.dialects.deis.configs import config_document
from polyfleet.api.dialects.deis.documents import date, owner_name
from polyfleet.api.dialects.deis.errors import NO_CREDENTIALS, NOT_ALLOWED, answer
from polyfleet.api.dialects.deis.routes import BASE, Route
from polyfleet.fleet.instants import timestamp
from polyfleet.fleet.objects.application import Application
from polyfleet.fleet.rights import Right

KEY_HEADER = "X-Deis-Builder-Auth"
_BASE = f"{BASE}/hooks"
_WHO = ("receive_user", "receive_repo")
_TOLD = ("sha", "fingerprint", "ssh_connection", "ssh_original_command")


class HookRoutes:
    """The routes below /v1/hooks."""

    def __init__(
        self,
        facade: Facade,
        builds: BuildRoutes,
        changes: Changes,
        activity: Activity,
    ) -> None:
        self._facade = facade
        self._builds = builds
        self._changes = changes
        self._activity = activity

    async def push(self, request: Request) -> Response:
        """Note that somebody pushed."""
        caller, application, fields = await self._push(request)
        told = {name: bodies.optional_text(fields, name, longest=4096) for name in _TOLD}
        bodies.require(fields, ("sha",))
        sha = told["sha"][:7]
        self._activity.tell(application, "Pushed", f"{caller.name} pushed {sha}")
        now = date(timestamp(self._facade.clock()))
        return answer(
            201,
            {
                "owner": owner_name(application),
                "app": application.spec.name,
                "receive_user": caller.name,
                "receive_repo": application.spec.name,
                **told,
                "created": now,
                "updated": now,
                "uuid": str(uuid.uuid4()),
            },
        )

    async def build(self, request: Request) -> Response:
        """Give an image that was built of a push, and make a release of it."""
        caller, application, fields = await self._push(request)
        _, release = await self._builds.deploy(caller, application, fields)
        domain = f"{application.spec.name}.{domain_of(self._facade, request)}"
        return answer(200, {"release": {"version": release.spec.version}, "domains": [domain]})

    async def config(self, request: Request) -> Response:
        """Show the configuration that the builder needs."""
        _, application, _ = await self._push(request)
        current = await self._changes.current(application)
        return Response(config_document(application, current), media_type="application/json")

    async def _push(self, request: Request) -> tuple[Caller, Application, bodies.Fields]:
        """Return for whom the builder acts and on what. Raises Unauthenticated and Forbidden."""
        self._require_builder(request)
        fields = await bodies.read_fields(request, self._facade.settings.maximum_body)
        bodies.require(fields, _WHO)
        user = user_of_name(self._facade, bodies.text(fields, "receive_user"))
        caller = Caller(self._facade, principal_of(user, source="builder"))
        name = bodies.text(fields, "receive_repo").removesuffix(".git")
        # The builder is trusted to know which applications there are.
        found = self._facade.cache.applications.get(name)
        if found is not None and found.present and not caller.has(Right.DEPLOY, found):
            raise Forbidden(NOT_ALLOWED)
        return caller, caller.application(name, Right.DEPLOY), fields

    def _require_builder(self, request: Request) -> None:
        given = request.headers.get(KEY_HEADER)
        if given is None and "authorization" not in request.headers:
            raise Unauthenticated(NO_CREDENTIALS)
        key = self._facade.settings.deis.builder_key
        wanted = "" if key is None else key.get_secret_value()
        right = hmac.compare_digest((given or "").encode(), wanted.encode())
        if not wanted or not right:
            raise Forbidden(NOT_ALLOWED)


def routes(hooks: HookRoutes) -> list[Route]:
    """Return the routes below /v1/hooks.

    Deis' own paths match by their beginning, and its clients use the plural too.
    """
    push = [
        Route(
            method="POST",
            path=f"{_BASE}/{name}",
            endpoint=hooks.push,
            summary="Note a push",
            status=201,
            statuses=(403, 404),
            body=schemas.Push,
            reply=schemas.PushNote,
            builder=True,
        )
        for name in ("push", "pushes")
    ]
    build = [
        Route(
            method="POST",
            path=f"{_BASE}/{name}",
            endpoint=hooks.build,
            summary="Give an image that was built of a push",
            statuses=(403, 404, 409),
            body=schemas.PushedBuild,
            reply=schemas.Deployed,
            builder=True,
        )
        for name in ("build", "builds")
    ]
    config = Route(
        method="POST",
        path=f"{_BASE}/config",
        endpoint=hooks.config,
        summary="Show the configuration that the builder needs",
        statuses=(403, 404, 409),
        body=schemas.Receiver,
        reply=schemas.Config,
        builder=True,
    )
    return [*push, *build, config]
