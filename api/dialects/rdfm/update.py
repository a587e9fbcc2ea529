"""The question that every device asks: whether there is an update for it."""

import time

from starlette.requests import Request
from starlette.responses import Response

from polyfleet.api.core.access import flat_name
from polyfleet.api.core.addresses import base_url
from polyfleet.api.core.downloads import download_link
from polyfleet.api.core.errors import NotFound, Unauthenticated
from polyfleet.api.core.facade import Facade
from polyfleet.api.core.requests import decode_json
from polyfleet.api.dialects.rdfm import bodies, metadata, schemas
from polyfleet.api.dialects.rdfm.auth import LARGEST_BODY
from polyfleet.api.dialects.rdfm.routes import DEVICE_TOKEN, Route
from polyfleet.api.dialects.rdfm.translate.dates import birth, greenwich
from polyfleet.api.dialects.rdfm.translate.wire import encode
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.package import Package
from polyfleet.fleet.resolve.decision import Decision
from polyfleet.fleet.resolve.facts import reported_facts
from polyfleet.fleet.resolve.resolver import resolve

_REMEMBERED = 4096
_LINK_SECONDS = 60.0
"""How long one link is given to all who ask; at most a tenth of its life."""


class UpdateRoutes:
    """The route /api/v1/update/check."""

    def __init__(self, facade: Facade) -> None:
        self._facade = facade
        self._offers: dict[tuple[str, str], tuple[float, bytes]] = {}
        self._reuse = min(_LINK_SECONDS, facade.settings.artifacts.link_lifetime / 10)

    async def check(self, request: Request) -> Response:
        """Offer the package that the device is to install now, if there is one."""
        facade = self._facade
        device = (await facade.identity.authenticate_device_request(request.headers)).device
        body = await bodies.read(request, LARGEST_BODY)
        told = metadata.read(decode_json(body), "body")
        if told.identifier != flat_name(facade, device.spec.application, device.spec.device_id):
            raise Unauthenticated("the token belongs to another device")
        facade.activity.seen(device)
        decision = self._decide(device, told.values)
        package = decision.package if decision is not None else None
        # A package that kubectl made has no number yet until the operator has seen it.
        if decision is None or package is None or package.serial is None:
            return Response(status_code=204)
        try:
            offer = await self._offer(request, package)
        except NotFound:
            return Response(status_code=204)
        facade.reports.offered(
            device, package.metadata.name, decision.rollout, decision.rollout_uid
        )
        return Response(offer, media_type="application/json")

    def _decide(self, device: Device, told: metadata.Flat) -> Decision | None:
        facade = self._facade
        if not facade.offers_allowed():
            facade.decisions.count("rdfm", "Stale")
            return None
        catalogue = facade.catalogue()
        texts = {key: value for key, value in told.items() if isinstance(value, str)}
        facts = reported_facts(device, catalogue.groups_of(device), texts)
        decision = resolve(facts, catalogue, facade.clock())
        facade.decisions.count("rdfm", decision.reason)
        return decision

    async def _offer(self, request: Request, package: Package) -> bytes:
        """Return the encoded offer; its link is signed once a while, not once a device."""
        key = (package.metadata.uid, base_url(self._facade, request))
        now = time.monotonic()
        known = self._offers.get(key)
        if known is not None and known[0] > now:
            return known[1]
        uri = await download_link(self._facade, request, package)
        artifact = package.spec.artifact
        offer = encode(
            {
                "id": package.serial,
                "created": greenwich(birth(package.metadata, package.spec.created_at)),
                "sha256": artifact.sha256 if artifact else "",
                "uri": uri,
            }
        )
        if len(self._offers) >= _REMEMBERED:
            self._offers.clear()
        self._offers[key] = (now + self._reuse, offer)
        return offer


def routes(update: UpdateRoutes) -> list[Route]:
    """Return the route."""
    return [
        Route(
            method="POST",
            path="/api/v1/update/check",
            endpoint=update.check,
            summary="Check for an update",
            security=DEVICE_TOKEN,
            body=schemas.UpdateQuestion,
            reply=schemas.Update,
            statuses=(204, 400, 401),
        )
    ]
