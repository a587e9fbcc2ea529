"""What a client asks before anything else: the version, the addresses, and how to log in."""

from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from polyfleet.api.core.addresses import base_url
from polyfleet.api.core.facade import Facade
from polyfleet.api.dialects.drogue import schemas
from polyfleet.api.dialects.drogue.access import caller_of
from polyfleet.api.dialects.drogue.routes import Route

VERSION = "0.11.0"
"""The version of Drogue Cloud whose clients are served."""
DISCOVERY = "/.well-known/openid-configuration"


class SystemRoutes:
    """The routes below /.well-known, and the console's information."""

    def __init__(self, facade: Facade) -> None:
        self._facade = facade

    async def version(self, request: Request) -> Response:
        """Show the version."""
        del request
        return _json({"success": True, "version": VERSION})

    async def endpoints(self, request: Request) -> Response:
        """Show the addresses that anybody may know."""
        return _json(self._endpoints(request))

    async def info(self, request: Request) -> Response:
        """Show the addresses to somebody who is logged in; clients try their token with it."""
        await caller_of(self._facade, request, hidden=True)
        return _json({**self._endpoints(request), "demos": []})

    async def discovery(self, request: Request) -> Response:
        """Show where tokens are to be had, to clients that will not begin without asking."""
        base = base_url(self._facade, request)
        return _json(
            {
                "issuer": base,
                "authorization_endpoint": f"{base}/oauth/authorize",
                "token_endpoint": f"{base}/oauth/token",
                "grant_types_supported": ["client_credentials", "password"],
                "token_endpoint_auth_methods_supported": ["client_secret_basic"],
                "response_types_supported": [],
                "subject_types_supported": ["public"],
            }
        )

    def _endpoints(self, request: Request) -> dict[str, Any]:
        base = base_url(self._facade, request)
        oidc = self._facade.settings.identity.oidc
        return {
            "api": base,
            "issuer_url": base if oidc is None else oidc.issuer,
            "registry": {"url": base},
            "command_url": base,
        }


def routes(system: SystemRoutes) -> list[Route]:
    """Return these routes."""
    return [
        Route(
            method="GET",
            path="/.well-known/drogue-version",
            endpoint=system.version,
            summary="Show the version",
            statuses=(200,),
            reply=schemas.Version,
        ),
        Route(
            method="GET",
            path="/.well-known/drogue-endpoints",
            endpoint=system.endpoints,
            summary="Show the public addresses",
            statuses=(200,),
            reply=dict[str, Any],
        ),
        Route(
            method="GET",
            path=DISCOVERY,
            endpoint=system.discovery,
            summary="Show where tokens are to be had",
            statuses=(200,),
            reply=dict[str, Any],
        ),
        Route(
            method="GET",
            path="/api/console/v1alpha1/info",
            endpoint=system.info,
            summary="Show the addresses to somebody who is logged in",
            statuses=(200, 403),
            reply=dict[str, Any],
        ),
    ]


def _json(document: object) -> Response:
    return Response(orjson.dumps(document), media_type="application/json")
