"""Kaa's device side over HTTP: a device asks what to run, and says what it installed.

Software reaches devices as configuration (Kaa 7/CMP) of the extension `cmx_ota`: the `configId` is
the version, the `config` its specification as it is. The endpoint token in the path is the
device's credential, so the path of a request is never logged and is no label of any metric.
"""

from typing import Any, NamedTuple

import msgspec
import orjson
from starlette.requests import Request
from starlette.responses import Response

from polyfleet.api.core.access import present
from polyfleet.api.core.errors import Invalid, NotFound, Unauthenticated
from polyfleet.api.core.facade import Facade
from polyfleet.api.core.requests import read_body
from polyfleet.api.dialects.otao import schemas
from polyfleet.api.dialects.otao.bodies import LONGEST_VERSION, decode
from polyfleet.api.dialects.otao.errors import JSON
from polyfleet.api.dialects.otao.routes import Route
from polyfleet.api.dialects.otao.software import Software
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.package import Package
from polyfleet.fleet.resolve.facts import facts_of
from polyfleet.fleet.resolve.resolver import resolve

SOURCE = "otao"
EXTENSION = "cmx_ota"
BASES = ("/kp1", "/kpc/kp1")
"""The path of the protocol, and the one below Kaa's gateway."""
TOKEN = "polyfleet.otao_endpoint_token"  # noqa: S105 - the name of a place, not a token
"""Where a request's scope holds the endpoint token: not among the parameters, which are told."""
LARGEST_BODY = 16 * 1024

_OK = 200
_LOWEST_STATUS, _HIGHEST_STATUS = 100, 599
_INSTALLED = range(200, 300)
_UNCHANGED = b"{}"


class _Question(msgspec.Struct, rename="camel"):
    config_id: str | None = None
    observe: bool | None = None


class _Applied(msgspec.Struct, rename="camel"):
    config_id: str
    status_code: int | None = None
    reason_phrase: str | None = None


class _Target(NamedTuple):
    """What a device is to run, and name and uid of the Rollout that brings it, if one does."""

    version: str
    package: Package | None
    rollout: str | None = None
    rollout_uid: str | None = None


class DeviceRoutes:
    """The routes of `cmx_ota`."""

    def __init__(self, facade: Facade, software: Software) -> None:
        self._facade = facade
        self._software = software

    async def config(self, request: Request) -> Response:
        """Tell what the device is to run, if that is not what it says it runs.

        A `configId` in the question counts as a report that this is installed. `observe` is read
        and changes nothing: over HTTP nobody can be told later.
        """
        device = self._device(request)
        question = await _question(request)
        told = question.config_id or ""
        self._facade.activity.seen(device)
        if told:
            device = await self._facade.reports.merge(
                device, SOURCE, (), version=told, excess="keep"
            )
        return Response(await self._answer(request, device, question.config_id), media_type=JSON)

    async def applied(self, request: Request) -> Response:
        """Take the report that a version was installed, or could not be."""
        device = self._device(request)
        report = decode(await read_body(request, LARGEST_BODY), _Applied)
        status = _OK if report.status_code is None else report.status_code
        _check(report.config_id)
        if not _LOWEST_STATUS <= status <= _HIGHEST_STATUS:
            allowed = f"{_LOWEST_STATUS} to {_HIGHEST_STATUS}"
            raise Invalid("statusCode", f"must be an HTTP status, {allowed}")
        self._facade.activity.seen(device)
        if report.config_id and status in _INSTALLED:
            await self._facade.reports.merge(
                device, SOURCE, (), version=report.config_id, excess="refuse"
            )
        elif report.config_id:
            await self._failed(device, report.config_id, status, report.reason_phrase)
        done = {"statusCode": _OK, "reasonPhrase": "OK"}
        return Response(orjson.dumps(done), media_type=JSON)

    def _device(self, request: Request) -> Device:
        device = self._facade.identity.endpoint_tokens.device(request.scope[TOKEN])
        application = present(self._facade, device.spec.application)
        if application is None:
            raise Unauthenticated("the endpoint token does not hold")
        name = request.path_params["appVersionName"]
        if not self._is_version_of(name, application.spec.name):
            raise NotFound(f"the endpoint is not one of {name!r}")
        return device

    def _is_version_of(self, name: str, application: str) -> bool:
        """Say whether an application version (`kettle-v1`) is the application's."""
        if name == application:
            return True
        base, _, number = name.rpartition("-v")
        is_version = base == application and number.isascii() and number.isdigit()
        # Where an application has that very name, it is the one that is meant.
        return is_version and present(self._facade, name) is None

    async def _answer(self, request: Request, device: Device, told: str | None) -> bytes:
        target = self._offer(device, told or None)
        config = await self._config(request, target) if target is not None else None
        if target is not None and config is not None and target.package is not None:
            name = target.package.metadata.name
            self._facade.reports.offered(device, name, target.rollout, target.rollout_uid)
        else:  # there is nothing for it, or nothing that can be sent: it keeps what it has
            target = self._present(device, told or None)
            config = await self._config(request, target)
        if told == target.version:
            return _UNCHANGED
        if config is None:
            return orjson.dumps({"configId": "", "config": None})
        return orjson.dumps({"configId": target.version, "config": config})

    def _offer(self, device: Device, told: str | None) -> _Target | None:
        """Return what the device gets now, as if it ran the version that it tells."""
        facade = self._facade
        if not facade.offers_allowed():
            facade.decisions.count(SOURCE, "Stale")
            return None
        catalogue = facade.catalogue()
        facts = facts_of(device, catalogue.groups_of(device), "anything")
        if told is not None:
            facts = msgspec.structs.replace(facts, version=told)
        decision = resolve(facts, catalogue, facade.clock())
        facade.decisions.count(SOURCE, decision.reason)
        package = decision.package
        if package is None:
            return None
        return _Target(package.spec.version, package, decision.rollout, decision.rollout_uid)

    def _present(self, device: Device, told: str | None) -> _Target:
        """Return what the device runs, as what it is to run."""
        software = device.status.software
        version = told if told is not None else software.version if software is not None else None
        if version is None:
            return _Target("", None)
        return _Target(version, self._software.find(device.spec.application, version))

    async def _config(self, request: Request, target: _Target) -> Any:
        if target.package is None:
            return None
        return await self._software.specification(request, target.package)

    async def _failed(self, device: Device, version: str, status: int, reason: str | None) -> None:
        """Write that the device could not install a version; nothing of one that is not ours."""
        package = self._offered(device, version)
        if package is not None:
            told = f"{status} {reason}" if reason else str(status)
            await self._facade.reports.failed(device, package.metadata.name, told)

    def _offered(self, device: Device, version: str) -> Package | None:
        """Return the package of that version that the device was given, else would be."""
        update = device.status.update
        if update is not None:
            package = self._facade.cache.packages.get(update.package)
            if package is not None and package.spec.version == version:
                return package
        return self._software.find(device.spec.application, version)


def routes(devices: DeviceRoutes) -> list[Route]:
    """Return the routes."""
    found = []
    for base in BASES:
        home = f"{base}/{{appVersionName}}/{EXTENSION}/{{endpointToken}}"
        for ending in ("", "/{requestId}"):
            found += [
                Route(
                    method=method,
                    path=f"{home}/config/json{ending}",
                    endpoint=devices.config,
                    summary="Asks what to run.",
                    body=schemas.ConfigQuestion if method == "POST" else None,
                    body_required=False,
                    reply=schemas.Config,
                    statuses=(400, 413),
                )
                for method in ("GET", "POST")
            ]
            found.append(
                Route(
                    method="POST",
                    path=f"{home}/applied/json{ending}",
                    endpoint=devices.applied,
                    summary="Tells what was installed, or could not be.",
                    body=schemas.Applied,
                    reply=schemas.Done,
                    statuses=(400, 413),
                )
            )
    return found


async def _question(request: Request) -> _Question:
    body = await read_body(request, LARGEST_BODY)
    if not body.strip():
        return _Question()
    question: _Question = decode(body, _Question)
    _check(question.config_id or "")
    return question


def _check(version: str) -> None:
    if len(version) > LONGEST_VERSION:
        raise Invalid("configId", f"may have at most {LONGEST_VERSION} characters")
