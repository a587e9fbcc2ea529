"""One-off commands: a Pod of the current release, its exit code and what it printed.

Whoever waits for it takes the Pod away, whatever happens. If the facade dies, the Pod ends by its
own deadline, and the operator takes it away; it goes with its Application as well.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import orjson
import structlog
from starlette.requests import Request
from starlette.responses import Response

from polyfleet.api.core.errors import Conflict, Invalid, RateLimited, Unavailable
from polyfleet.api.core.facade import Facade
from polyfleet.api.dialects.deis import bodies, clients, log_lines, schemas
from polyfleet.api.dialects.deis.access import caller_of
from polyfleet.api.dialects.deis.activity import Activity
from polyfleet.api.dialects.deis.documents import Documents
from polyfleet.api.dialects.deis.pods import Pods
from polyfleet.api.dialects.deis.routes import BASE, Route
from polyfleet.fleet.names import workload_name
from polyfleet.fleet.objects.application import Application
from polyfleet.fleet.objects.kinds import PODS
from polyfleet.fleet.objects.metadata import PROCESS_LABEL, RELEASE_LABEL
from polyfleet.fleet.objects.workload import ContainerStatus, Pod
from polyfleet.fleet.rights import Right
from polyfleet.fleet.workloads.objects import Limits, Running, metadata, pod_spec
from polyfleet.fleet.workloads.processes import RUN, by_shell, release_values
from polyfleet.fleet.workloads.refusals import is_over_quota
from polyfleet.kube import errors
from polyfleet.kube.changes import Change
from polyfleet.kube.releases import read_values
from polyfleet.kube.tasks import cancel_and_wait

LONGEST_COMMAND = 4_096
MOST_OUTPUT = 1 << 20
"""Bytes of output that are shown."""
MOST_LINES = 100_000
NO_BUILD = "No build associated with this release to run this command"
_ENDED = frozenset({"Succeeded", "Failed"})
# What a container waits for in vain: it will not start by itself.
_HOPELESS = frozenset(
    {
        "ErrImageNeverPull",
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
    }
)
_DELETE_SECONDS = 10.0
_LOG_SECONDS = 30.0

_log = structlog.get_logger("polyfleet.deis")


class RunRoutes:
    """The route /v1/apps/<app>/run."""

    def __init__(
        self, facade: Facade, documents: Documents, pods: Pods, activity: Activity
    ) -> None:
        self._facade = facade
        self._documents = documents
        self._pods = pods
        self._activity = activity
        self._running = 0

    async def run(self, request: Request) -> Response:
        """Run a command in the current release, and show its exit code and output."""
        caller = await caller_of(self._facade, request)
        application = caller.application(request.path_params["app"], Right.DEPLOY)
        fields = await bodies.read_fields(request, self._facade.settings.maximum_body)
        command = bodies.text(fields, "command", longest=LONGEST_COMMAND)
        body = await self._body(application, command)
        if self._running >= self._facade.settings.deis.runs:
            raise RateLimited("too many commands are run at once", retry_after=5.0)
        self._running += 1
        try:
            self._activity.tell(application, "CommandRun", f"{caller.name} runs a command")
            async with self._pod(body) as pod:
                code, output = await _unless_left(request, self._result(pod))
        finally:
            self._running -= 1
        if clients.is_command_line(request):
            return Response(orjson.dumps([code, output]), media_type="text/plain")
        shown = {"rc": code, "output": output}
        return Response(orjson.dumps(shown), media_type="application/json")

    async def _body(self, application: Application, command: str) -> dict[str, Any]:
        """Return the Pod that runs the command. Raises Invalid."""
        release = self._documents.running(application)
        build = None if release is None else self._documents.build(release.spec.build)
        if release is None or build is None:
            raise Invalid("", NO_BUILD)
        settings = self._facade.settings
        name = application.spec.name
        values = await read_values(self._facade.client, name, release.spec.config.uuid)
        same = settings.workloads_namespace in (None, settings.namespace)
        running = Running(
            application,
            release,
            build,
            release_values(values or {}),
            routed=None,
            limits=Limits(grace=1),
            same_namespace=same,
        )
        spec = pod_spec(running, RUN)
        spec["containers"][0]["command"] = by_shell(command)
        spec["restartPolicy"] = "Never"
        spec["activeDeadlineSeconds"] = settings.deis.run_timeout
        labels = {PROCESS_LABEL: RUN, RELEASE_LABEL: f"v{release.spec.version}"}
        full = f"{workload_name(name, RUN)}-{secrets.token_hex(4)}"
        return {"metadata": metadata(application, full, owned=same, labels=labels), "spec": spec}

    @asynccontextmanager
    async def _pod(self, body: Mapping[str, Any]) -> AsyncIterator[Pod]:
        try:
            pod = await self._pods.client.create(PODS, body)
        except errors.Invalid as error:
            raise Conflict(f"The cluster does not take the container: {error.message}") from None
        except errors.Forbidden as error:
            # Beside rights, which are no caller's business: the operator was not here yet, or ours
            # is more than a quota leaves.
            told = is_over_quota(error.message)
            text = error.message if told else "the application is being set up"
            raise Unavailable(f"The container cannot be made now: {text}") from None
        self._pods.store.apply(pod)
        try:
            yield pod
        finally:
            # Also if this very request is cancelled: nobody else would look for it soon.
            await asyncio.shield(asyncio.ensure_future(self._remove(pod)))

    async def _remove(self, pod: Pod) -> None:
        try:
            async with asyncio.timeout(_DELETE_SECONDS):
                await self._delete(pod)
        except (errors.ApiError, TimeoutError) as error:
            _log.warning("pod not deleted", pod=pod.metadata.name, error=str(error))

    async def _delete(self, pod: Pod) -> None:
        with suppress(errors.NotFound):
            await self._pods.client.delete(PODS, pod.metadata.name, uid=pod.metadata.uid)

    async def _result(self, pod: Pod) -> tuple[int, str]:
        seconds = self._facade.settings.deis.run_timeout
        try:
            async with asyncio.timeout(seconds):
                ended = await self._end_of(pod)
        except TimeoutError:
            raise Unavailable(f"The command did not end in {seconds} seconds.") from None
        return _exit_code(ended), await self._output(pod)

    async def _end_of(self, pod: Pod) -> Pod:
        """Return the Pod once it has ended. Raises Unavailable if it never will have begun."""
        store, name = self._pods.store, pod.metadata.name
        changed = asyncio.Event()

        def note(change: Change[Pod]) -> None:
            item = change.new or change.old
            if item is not None and item.metadata.uid == pod.metadata.uid:
                changed.set()

        unsubscribe = store.subscribe(note)
        try:
            while True:
                changed.clear()
                now = store.get(name)
                if now is None or now.metadata.uid != pod.metadata.uid or now.metadata.terminating:
                    raise Unavailable("The container was taken away before it ended.")
                if now.status.phase in _ENDED:
                    return now
                _require_hope(now)
                await changed.wait()
        finally:
            unsubscribe()

    async def _output(self, pod: Pod) -> str:
        found = bytearray()
        try:
            async with (
                asyncio.timeout(_LOG_SECONDS),
                self._pods.client.pod_log(
                    pod.metadata.name,
                    lines=MOST_LINES,
                    most_bytes=2 * MOST_OUTPUT,
                    idle_timeout=_LOG_SECONDS,
                ) as chunks,
            ):
                async for line in log_lines.split(chunks):
                    found += line.partition(b" ")[2] + b"\n"
                    if len(found) > MOST_OUTPUT:
                        break
        except (errors.ApiError, TimeoutError):
            raise Unavailable("What the command printed cannot be read.") from None
        return bytes(found[:MOST_OUTPUT]).decode(errors="replace")


def routes(runs: RunRoutes) -> list[Route]:
    """Return the route."""
    return [
        Route(
            method="POST",
            path=f"{BASE}/apps/{{app}}/run",
            endpoint=runs.run,
            summary="Run a one-off command",
            statuses=(403, 404, 409),
            body=schemas.Command,
            reply=schemas.Result,
        )
    ]


async def _unless_left(request: Request, work: Any) -> tuple[int, str]:
    """Return the result of the work, which is cancelled if the client goes away."""
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise Unavailable("The client went away.")
        found: tuple[int, str] = working.result()
        return found
    finally:
        await cancel_and_wait(working, leaving)


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _require_hope(pod: Pod) -> None:
    for status in pod.status.container_statuses:
        waiting = status.state.waiting
        if waiting is not None and waiting.reason in _HOPELESS:
            raise Unavailable(f"The container does not start: {waiting.reason} {waiting.message}")


def _exit_code(pod: Pod) -> int:
    statuses: tuple[ContainerStatus, ...] = pod.status.container_statuses
    for status in statuses:
        if status.state.terminated is not None:
            return status.state.terminated.exit_code
    raise Unavailable("The container ended before it began, or by its deadline.")
