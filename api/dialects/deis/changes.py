"""Changes that make a new release: a build, a configuration, or an earlier pair of both again.

The Secret with the values first, then the Application, by a write that is checked against what
the change was decided on, then the numbered Release. Who is slower than somebody else decides
again on what that one left: changes are merged, none is lost. A facade that dies in between leaves
a desired state from which the operator makes the same Release.
"""

import asyncio
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import msgspec

from polyfleet.api.core.errors import Conflict, NotFound
from polyfleet.api.core.facade import Facade
from polyfleet.api.dialects.deis.access import Caller
from polyfleet.api.dialects.deis.errors import NOT_FOUND
from polyfleet.api.dialects.deis.settling import settle
from polyfleet.fleet.given_values import NOTHING_GIVEN, Given
from polyfleet.fleet.instants import timestamp
from polyfleet.fleet.names import config_secret_name
from polyfleet.fleet.objects.application import Application, Configuration
from polyfleet.fleet.objects.kinds import APPLICATIONS
from polyfleet.fleet.objects.release import Release
from polyfleet.fleet.releases import Values
from polyfleet.fleet.rights import Right
from polyfleet.kube import errors
from polyfleet.kube.given_values import read_given
from polyfleet.kube.releases import create_config, ensure_release, find_build, read_values
from polyfleet.kube.resources import SECRETS

ATTEMPTS = 12
_PAUSE = 0.02


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What an application is to run; what is absent stays as it is.

    With `values`, these, `memory`, `cpu` and `tags` make a new configuration.
    """

    build: str | None = None
    processes: Mapping[str, int] | None = None
    values: Values | None = None
    memory: Mapping[str, str] = field(default_factory=dict)
    cpu: Mapping[str, int] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    earlier: Release | None = None
    """A release whose build and configuration are to be again."""


@dataclass(frozen=True)
class Current:
    """A configuration: its values as they were given, and its uuid, which its release has too.

    `given` is where they come from if that is no API.
    """

    values: Values
    uuid: str
    given: Given | None = None


Decide = Callable[[Application, Values], Wanted]


class Changes:
    """Carries changes out."""

    def __init__(self, facade: Facade) -> None:
        self._facade = facade

    async def carry_out(
        self, caller: Caller, application: Application, decide: Decide
    ) -> tuple[Application, Release]:
        """Change the application as `decide` says, and return it and the release of that.

        `decide` is given the application and its values, and asked again whenever somebody else
        was faster; what it raises is passed on. Raises Forbidden, NotFound, Conflict, ApiError.
        """
        facade, uid = self._facade, application.metadata.uid
        for attempt in range(ATTEMPTS):
            if not application.present or application.metadata.uid != uid:
                raise NotFound(NOT_FOUND)
            caller.require_in(Right.DEPLOY, application)
            current = await self.current(application)
            # What others wished before gets its own release before it is overwritten.
            with suppress(errors.Invalid):
                await ensure_release(
                    facade.writer, facade.cache, application, facade.clock(), given=current.given
                )
            wanted = decide(application, current.values)
            changed = await self._write(caller, application, wanted)
            if changed is not None:
                release = await ensure_release(
                    facade.writer, facade.cache, changed, facade.clock(), given=current.given
                )
                if release is None:
                    raise Conflict("the application wants nothing to run")
                await self._settled(changed, release)
                return changed, release
            await asyncio.sleep(_PAUSE * attempt)
            application = await facade.writer.read(APPLICATIONS, application.metadata.name)
        raise Conflict("The application changes all the time; try again.")

    async def _settled(self, application: Application, release: Release) -> None:
        number = release.spec.version
        if release.spec.build is not None:
            await settle(
                self._facade,
                application,
                lambda item: item.status.deployed_release >= number,
                release,
            )

    async def begin(self, caller: Caller, name: str, spec: dict[str, Any]) -> dict[str, Any]:
        """Add to the spec of an application that is to be made its first, empty configuration."""
        config = await self._new_config(caller, name, Wanted(values={}))
        return {**spec, "config": config}

    async def forget(self, application: str, config_uuid: str) -> None:
        """Take the values of a configuration away that came to nothing."""
        with suppress(errors.ApiError):
            await self._facade.client.delete_document(
                SECRETS, config_secret_name(application, config_uuid)
            )

    async def current(self, application: Application) -> Current:
        """Return the configuration that is wanted. Raises Conflict if it cannot be read."""
        client, config = self._facade.client, application.spec.config
        if config is not None and config.uuid is not None:
            values = await read_values(client, application.spec.name, config.uuid)
            return Current(values or {}, config.uuid)
        try:
            given = await read_given(client, application) or NOTHING_GIVEN
        except errors.Invalid as error:
            raise Conflict(error.message) from None
        return Current(given.values, given.uuid, given)

    async def _write(
        self, caller: Caller, application: Application, wanted: Wanted
    ) -> Application | None:
        """Write what is wanted; None if the application changed meanwhile. Raises Conflict."""
        name = application.spec.name
        workload = _workload(caller, application, wanted)
        await self._require_build(name, workload.get("build"))
        config = await self._config(caller, name, application.spec.config, wanted)
        patch = [{"op": "add", "path": "/spec/workload", "value": workload}]
        if config:
            patch.append({"op": "add", "path": "/spec/config", "value": config})
        try:
            return await self._facade.writer.patch(APPLICATIONS, application, patch)
        except (errors.Conflict, errors.Invalid, errors.NotFound) as error:
            if wanted.values is not None:
                await self.forget(name, config["uuid"])
            if isinstance(error, errors.Conflict):
                return None
            raise

    async def _require_build(self, application: str, name: str | None) -> None:
        """Raise Conflict if the build that is to run is gone: no release could be made of it."""
        if name is None:
            return
        if await find_build(self._facade.writer, self._facade.cache, application, name) is None:
            raise Conflict("The build that is to run is gone; give another one.")

    async def _config(
        self, caller: Caller, name: str, config: Configuration | None, wanted: Wanted
    ) -> dict[str, Any]:
        if wanted.values is not None:
            return await self._new_config(caller, name, wanted)
        if wanted.earlier is not None:
            earlier = msgspec.to_builtins(wanted.earlier.spec.config)
            return {key: value for key, value in earlier.items() if key != "secretName" and value}
        kept = msgspec.to_builtins(config or Configuration())
        return {key: value for key, value in kept.items() if value}

    async def _new_config(self, caller: Caller, name: str, wanted: Wanted) -> dict[str, Any]:
        config_uuid = str(uuid.uuid4())
        await create_config(self._facade.client, name, config_uuid, wanted.values or {})
        parts = {"memory": wanted.memory, "cpu": wanted.cpu, "tags": wanted.tags}
        return {
            "uuid": config_uuid,
            "owner": caller.name,
            "created": timestamp(self._facade.clock()),
            **{key: dict(value) for key, value in parts.items() if value},
        }


def wish(caller: Caller, rollback_of: int | None = None) -> dict[str, Any]:
    """Return the note on an application that somebody wants a new release."""
    change: dict[str, Any] = {"id": str(uuid.uuid4()), "by": caller.name}
    return change if rollback_of is None else {**change, "rollbackOf": rollback_of}


def process_list(processes: Mapping[str, int]) -> list[dict[str, Any]]:
    """Return processes as an Application holds them."""
    return [{"type": name, "replicas": count} for name, count in processes.items()]


def structure_of(application: Application) -> dict[str, int]:
    """Return how many instances of each process type are wanted."""
    workload = application.spec.workload
    if workload is not None and workload.processes is not None:
        return {process.type: process.replicas for process in workload.processes}
    return {process.type: process.replicas for process in application.status.processes}


def _workload(caller: Caller, application: Application, wanted: Wanted) -> dict[str, Any]:
    workload = application.spec.workload
    earlier = wanted.earlier
    rollback_of = None if earlier is None else earlier.spec.version
    found: dict[str, Any] = {"change": wish(caller, rollback_of)}
    build = wanted.build
    if earlier is not None:
        build = earlier.spec.build
    elif build is None and workload is not None:
        build = workload.build
    if build is not None:
        found["build"] = build
    if wanted.processes is not None:
        found["processes"] = process_list(wanted.processes)
    elif workload is not None and workload.processes is not None:
        found["processes"] = msgspec.to_builtins(workload.processes)
    return found
