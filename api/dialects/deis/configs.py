"""The configuration of an application: environment, limits, and where it may run."""

import re
from collections.abc import Mapping
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from polyfleet.api.core.errors import Invalid
from polyfleet.api.core.facade import Facade
from polyfleet.api.dialects.deis import bodies, clients, schemas
from polyfleet.api.dialects.deis.access import caller_of
from polyfleet.api.dialects.deis.changes import Changes, Current, Wanted
from polyfleet.api.dialects.deis.documents import born, date
from polyfleet.api.dialects.deis.processes import is_type
from polyfleet.api.dialects.deis.routes import BASE, Route
from polyfleet.fleet.objects.application import Application, Configuration
from polyfleet.fleet.objects.release import Release
from polyfleet.fleet.releases import Values, merged
from polyfleet.fleet.rights import Right

MOST_SHARES = 1024
MOST_VALUES = 1_000
MOST_TAGS = 64
_BASE = f"{BASE}/apps/{{app}}/config"
_NAME = re.compile(r"[\x20-\x3c\x3e-\x7e]{1,256}")
_MEMORY = re.compile(r"[0-9]{1,12}[BbKkMmGg][Bb]?")
_TAG = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_LARGEST_INTEGER = 2**63


class ConfigRoutes:
    """The routes below /v1/apps/<app>/config."""

    def __init__(self, facade: Facade, changes: Changes) -> None:
        self._facade = facade
        self._changes = changes

    async def show(self, request: Request) -> Response:
        """Show the configuration of the last release; it holds secrets."""
        caller = await caller_of(self._facade, request)
        application = caller.application(request.path_params["app"], Right.DEPLOY)
        current = await self._changes.current(application)
        return Response(config_document(application, current), media_type="application/json")

    async def change(self, request: Request) -> Response:
        """Merge what is given into the configuration, and make a release of it."""
        caller = await caller_of(self._facade, request)
        application = caller.application(request.path_params["app"], Right.DEPLOY)
        given = given_of(await bodies.read_fields(request, self._facade.settings.maximum_body))
        kept: dict[str, Any] = {}

        def decide(item: Application, values: Values) -> Wanted:
            wanted = _merged(item, values, given)
            kept.update(values=wanted.values)
            return wanted

        application, release = await self._changes.carry_out(caller, application, decide)
        shown = {**_told(application, release), **(kept["values"] or {})}
        body = config_document(application, Current(shown, release.spec.config.uuid))
        return clients.with_release(
            Response(body, 201, media_type="application/json"), release.spec.version
        )


def given_of(fields: bodies.Fields) -> dict[str, dict[str, Any]]:
    """Return the four maps of a change, checked; null removes. Raises Invalid."""
    checks = {"values": _value, "memory": _memory, "cpu": _shares, "tags": _tag}
    found = {}
    for name, check in checks.items():
        given = bodies.mapping(fields, name) or {}
        found[name] = {key: check(key, value) for key, value in given.items()}
    return found


def config_document(application: Application, current: Current) -> bytes:
    """Return the document of an application's configuration."""
    config = application.spec.config or Configuration()
    created = date(config.created or born(application))
    owner = application.spec.owner
    return orjson.dumps(
        {
            "owner": config.owner or ("" if owner is None else owner.user),
            "app": application.spec.name,
            "values": current.values,
            "memory": config.memory,
            "cpu": config.cpu,
            "tags": config.tags,
            "created": created,
            "updated": created,
            "uuid": current.uuid,
        }
    )


def routes(configs: ConfigRoutes) -> list[Route]:
    """Return the routes below /v1/apps/<app>/config."""
    return [
        Route(
            method="GET",
            path=_BASE,
            endpoint=configs.show,
            summary="Show the configuration of an application",
            statuses=(403, 404, 409),
            reply=schemas.Config,
        ),
        Route(
            method="POST",
            path=_BASE,
            endpoint=configs.change,
            summary="Change the configuration of an application",
            status=201,
            statuses=(403, 404, 409),
            body=schemas.ConfigChange,
            body_needed=False,
            reply=schemas.Config,
        ),
    ]


def _merged(application: Application, values: Values, given: Mapping[str, Any]) -> Wanted:
    config = application.spec.config or Configuration()
    after = merged(values, given["values"])
    if len(after) > MOST_VALUES:
        raise Invalid("values", f"There are at most {MOST_VALUES} values.")
    return Wanted(
        values=after,
        memory=merged(config.memory, given["memory"]),
        cpu=merged(config.cpu, given["cpu"]),
        tags=merged(config.tags, given["tags"]),
    )


def _told(application: Application, release: Release) -> dict[str, str]:
    """Return what processes are told beside the values; nothing runs without a build."""
    if release.spec.build is None:
        return {}
    return {"DEIS_APP": application.spec.name, "DEIS_RELEASE": f"v{release.spec.version}"}


def _value(key: str, value: object) -> object:
    if not _NAME.fullmatch(key):
        raise Invalid("values", f"'{key[:64]}' is no name: 1 to 256 of ASCII, without '='")
    _check_numbers(value)
    return value


def _check_numbers(value: object) -> None:
    if isinstance(value, int) and not -_LARGEST_INTEGER <= value < _LARGEST_INTEGER:
        raise Invalid("values", "A number has more than 64 bits.")
    if isinstance(value, dict):
        for item in value.values():
            _check_numbers(item)
    elif isinstance(value, list):
        for item in value:
            _check_numbers(item)


def _memory(key: str, value: object) -> str | None:
    _check_type("memory", key)
    if value is None:
        return None
    if not isinstance(value, str) or not _MEMORY.fullmatch(value):
        raise Invalid("memory", "Limit format: <number><unit>, where unit = B, K, M or G")
    return value


def _shares(key: str, value: object) -> int | None:
    """Return CPU shares as a number, however they came: the Go command line reads only these."""
    _check_type("cpu", key)
    if value is None:
        return None
    text = str(value)
    if isinstance(value, bool) or not (text.isascii() and text.isdigit()):
        raise Invalid("cpu", "CPU shares must be an integer")
    if len(text) > len(str(MOST_SHARES)) or int(text) > MOST_SHARES:
        raise Invalid("cpu", f"CPU shares must be between 0 and {MOST_SHARES}")
    return int(text)


def _tag(key: str, value: object) -> str | None:
    if not _TAG.fullmatch(key):
        raise Invalid("tags", "Tag keys can only contain [a-z]")
    if value is None:
        return None
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not _TAG.fullmatch(text):
        raise Invalid("tags", "Invalid tag value")
    return text


def _check_type(field: str, key: str) -> None:
    if not is_type(key):
        raise Invalid(field, "Process types can only contain [a-z]")
