"""Host names that lead to an application: each to one only."""

import re
from contextlib import suppress
from urllib.parse import urlsplit

import orjson
from starlette.requests import Request
from starlette.responses import Response

from polyfleet.api.core.errors import Invalid, NotFound
from polyfleet.api.core.facade import Facade
from polyfleet.api.dialects.deis import bodies, pages, schemas
from polyfleet.api.dialects.deis.access import caller_of
from polyfleet.api.dialects.deis.activity import Activity
from polyfleet.api.dialects.deis.documents import born, date
from polyfleet.api.dialects.deis.routes import BASE, Route
from polyfleet.fleet.instants import timestamp
from polyfleet.fleet.names import application_label, domain_name
from polyfleet.fleet.objects.application import Application
from polyfleet.fleet.objects.domain import Domain
from polyfleet.fleet.objects.kinds import APPLICATIONS, DOMAINS
from polyfleet.fleet.objects.metadata import APPLICATION_LABEL
from polyfleet.fleet.rights import Right
from polyfleet.kube import errors

LONGEST = 253
_BASE = f"{BASE}/apps/{{app}}/domains"
_BY_APPLICATION = "deis: domains of an application"
_HOST = re.compile(r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9][a-z0-9-]{0,61}[a-z0-9]")
_NO_HOST = (
    "Hostname does not look like a valid hostname. "
    "Only lowercase letters, digits and dashes are allowed between its dots."
)


class DomainRoutes:
    """The routes below /v1/apps/<app>/domains."""

    def __init__(self, facade: Facade, activity: Activity) -> None:
        self._facade = facade
        self._activity = activity
        facade.cache.domains.add_index(
            _BY_APPLICATION,
            lambda domain: (domain.spec.application,),
            order=born,
        )

    async def show(self, request: Request) -> Response:
        """List the domains of an application, the oldest first."""
        caller = await caller_of(self._facade, request)
        application = caller.application(request.path_params["app"])
        found = self._facade.cache.domains.find(_BY_APPLICATION, application.metadata.name)
        return pages.answer(self._facade, request, found, _encoded)

    async def create(self, request: Request) -> Response:
        """Lead a host name to an application."""
        caller = await caller_of(self._facade, request)
        application = caller.application(request.path_params["app"], Right.DEPLOY)
        fields = await bodies.read_fields(request, self._facade.settings.maximum_body)
        host = self._host(bodies.text(fields, "domain"))
        facade, name = self._facade, application.metadata.name
        try:
            domain = await facade.writer.create(
                DOMAINS,
                domain_name(host),
                {
                    "application": name,
                    "domain": host,
                    "owner": caller.name,
                    "createdAt": timestamp(facade.clock()),
                },
                labels={APPLICATION_LABEL: application_label(name)},
            )
        except errors.AlreadyExists:
            text = f"The domain {host} is already in use by another app"
            raise Invalid("domain", text) from None
        await self._require_present(application, domain)
        text = f"{caller.name} added domain {host}"
        self._activity.tell(application, "DomainAdded", text)
        return Response(_encoded(domain), 201, media_type="application/json")

    async def delete(self, request: Request) -> Response:
        """Lead a host name to the application no longer."""
        caller = await caller_of(self._facade, request)
        application = caller.application(request.path_params["app"], Right.ADMIN)
        host = request.path_params["domain"].lower().removesuffix(".")
        domain = self._facade.cache.domains.get(domain_name(host))
        if (
            domain is None
            or domain.spec.domain != host
            or domain.spec.application != application.metadata.name
        ):
            raise NotFound("the application has no such domain")
        await self._facade.writer.delete(DOMAINS, domain, checked=False)
        text = f"{caller.name} removed domain {host}"
        self._activity.tell(application, "DomainRemoved", text)
        return Response(status_code=204)

    def _host(self, given: str) -> str:
        host = given.lower().removesuffix(".")
        if host.startswith("*"):
            raise Invalid("domain", "Adding a wildcard subdomain is currently not supported")
        if len(host) > LONGEST or not _HOST.fullmatch(host):
            raise Invalid("domain", _NO_HOST)
        own = urlsplit(self._facade.settings.public_url or "").hostname
        if own is not None and (host == own or host.endswith(f".{own}")):
            raise Invalid("domain", f"{own} and what is below it belong to the Controller itself")
        return host

    async def _require_present(self, application: Application, domain: Domain) -> None:
        """Take the domain back if the application began to be deleted meanwhile."""
        writer = self._facade.writer
        with suppress(errors.NotFound):
            now = await writer.read(APPLICATIONS, application.metadata.name)
            if now.present and now.metadata.uid == application.metadata.uid:
                return
        with suppress(errors.NotFound):
            await writer.delete(DOMAINS, domain, checked=False)
        raise NotFound("the application is being deleted")


def routes(domains: DomainRoutes) -> list[Route]:
    """Return the routes below /v1/apps/<app>/domains."""
    return [
        Route(
            method="GET",
            path=_BASE,
            endpoint=domains.show,
            summary="List the domains of an application",
            statuses=(404,),
            query=pages.QUERY,
            reply=schemas.Page[schemas.Domain],
        ),
        Route(
            method="POST",
            path=_BASE,
            endpoint=domains.create,
            summary="Lead a host name to an application",
            status=201,
            statuses=(403, 404),
            body=schemas.NewDomain,
            reply=schemas.Domain,
        ),
        Route(
            method="DELETE",
            path=f"{_BASE}/{{domain}}",
            endpoint=domains.delete,
            summary="Lead a host name to the application no longer",
            status=204,
            statuses=(403, 404),
        ),
    ]


def _encoded(domain: Domain) -> bytes:
    created = date(born(domain))
    return orjson.dumps(
        {
            "app": domain.spec.application,
            "created": created,
            "domain": domain.spec.domain,
            "owner": domain.spec.owner or "",
            "updated": created,
        }
    )
