"""What runs: each Pod of an application is a container with a type and a number."""

from collections.abc import Mapping
from itertools import groupby
from typing import NamedTuple

import orjson
from starlette.requests import Request
from starlette.responses import Response

from polyfleet.api.core.errors import NotFound
from polyfleet.api.core.facade import Facade
from polyfleet.api.dialects.deis import pages, schemas
from polyfleet.api.dialects.deis.access import caller_of
from polyfleet.api.dialects.deis.documents import date, owner_name
from polyfleet.api.dialects.deis.pods import Pods
from polyfleet.api.dialects.deis.routes import BASE, Route
from polyfleet.fleet.conditions import holds
from polyfleet.fleet.objects.application import Application
from polyfleet.fleet.objects.workload import Pod

_BASE = f"{BASE}/apps/{{app}}/containers"
_READY = "Ready"
_STARTING = frozenset({"", "ContainerCreating", "PodInitializing"})
_CRASHED = frozenset({"CrashLoopBackOff", "Error", "OOMKilled", "ContainerCannotRun"})
_BY_PHASE: Mapping[str, str] = {"Succeeded": "down", "Failed": "crashed"}


class Container(NamedTuple):
    """A Pod, and which of its type it is, counted from the oldest."""

    pod: Pod
    number: int


class ContainerRoutes:
    """The routes below /v1/apps/<app>/containers."""

    def __init__(self, facade: Facade, pods: Pods) -> None:
        self._facade = facade
        self._pods = pods

    async def show_all(self, request: Request) -> Response:
        """List the containers of an application, or those of one type, the oldest first."""
        caller = await caller_of(self._facade, request)
        application = caller.application(request.path_params["app"])
        wanted = request.path_params.get("type")
        found = [
            container
            for container in self._containers(application)
            if wanted in (None, container.pod.metadata.process_type)
        ]
        return pages.answer(self._facade, request, found, lambda item: _encoded(application, item))

    async def show(self, request: Request) -> Response:
        """Show a container."""
        caller = await caller_of(self._facade, request)
        application = caller.application(request.path_params["app"])
        parameters = request.path_params
        for container in self._containers(application):
            named = (container.pod.metadata.process_type, str(container.number))
            if named == (parameters["type"], parameters["num"]):
                body = _encoded(application, container)
                return Response(body, media_type="application/json")
        raise NotFound("there is no such container")

    def _containers(self, application: Application) -> list[Container]:
        """Return those that run, or will: not those that were told to end, which may take long."""
        found = numbered(self._pods.of(application))
        return [container for container in found if not container.pod.metadata.terminating]


def numbered(pods: list[Pod]) -> list[Container]:
    """Return Pods with their numbers, which count each type from 1 in the order of creation.

    Those that are told to end come last.
    """
    found = []
    by_type = sorted(pods, key=lambda pod: (pod.metadata.process_type, pod.metadata.terminating))
    for _, group in groupby(by_type, key=lambda pod: pod.metadata.process_type):
        found += [Container(pod, number) for number, pod in enumerate(group, start=1)]
    return sorted(found, key=lambda item: (item.pod.metadata.creation_timestamp, item.number))


def state_of(pod: Pod) -> str:
    """Return how a Pod is, in one of the Controller's words."""
    for status in pod.status.container_statuses:
        waiting, ended = status.state.waiting, status.state.terminated
        if waiting is not None and waiting.reason not in _STARTING:
            return "crashed" if waiting.reason in _CRASHED else "error"
        if ended is not None and pod.status.phase not in _BY_PHASE:
            return "crashed" if ended.exit_code else "down"
    if pod.status.phase in _BY_PHASE:
        return _BY_PHASE[pod.status.phase]
    if pod.status.phase == "Running":
        return "up" if holds(pod, _READY) else "created"
    return "created" if pod.status.container_statuses else "initialized"


def routes(containers: ContainerRoutes) -> list[Route]:
    """Return the routes below /v1/apps/<app>/containers."""
    lists = [
        Route(
            method="GET",
            path=path,
            endpoint=containers.show_all,
            summary="List the containers of an application",
            statuses=(404,),
            query=pages.QUERY,
            reply=schemas.Page[schemas.Container],
        )
        for path in (_BASE, f"{_BASE}/{{type}}")
    ]
    return [
        *lists,
        Route(
            method="GET",
            path=f"{_BASE}/{{type}}/{{num}}",
            endpoint=containers.show,
            summary="Show a container",
            statuses=(404,),
            reply=schemas.Container,
        ),
    ]


def _encoded(application: Application, container: Container) -> bytes:
    pod = container.pod
    created = date(pod.metadata.creation_timestamp)
    return orjson.dumps(
        {
            "owner": owner_name(application),
            "app": application.spec.name,
            "release": pod.metadata.release,
            "created": created,
            "updated": created,
            "uuid": pod.metadata.uid,
            "type": pod.metadata.process_type,
            "num": container.number,
            "state": state_of(pod),
        }
    )
