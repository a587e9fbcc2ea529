"""The objects of one application's workload on the API server: applied, routed, taken away."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import msgspec
import structlog

from polyfleet.fleet.names import workload_name
from polyfleet.fleet.objects.application import Application, Process
from polyfleet.fleet.objects.build import Build
from polyfleet.fleet.objects.kinds import (
    AUTOSCALERS,
    DEPLOYMENTS,
    INGRESSES,
    PODS,
    SERVICES,
    Kind,
)
from polyfleet.fleet.objects.metadata import APPLICATION_UID_LABEL
from polyfleet.fleet.objects.release import Release
from polyfleet.fleet.objects.workload import Deployment, OwnedMeta
from polyfleet.fleet.workloads import objects
from polyfleet.fleet.workloads.objects import Limits, Running
from polyfleet.fleet.workloads.processes import ReleaseValues, routable
from polyfleet.fleet.workloads.runs import is_run
from polyfleet.kube.apply import NameTakenError, apply_owned
from polyfleet.kube.client import Client
from polyfleet.kube.errors import Forbidden, Invalid, NotFound
from polyfleet.kube.releases import CONFIG_TYPE, copy_config
from polyfleet.kube.resources import NETWORK_POLICIES, SECRETS, SERVICE_ACCOUNTS, Resource
from polyfleet.operator.context import Context
from polyfleet.operator.indexes import SCALED, WORKLOAD
from polyfleet.operator.reconcile.progress import ProcessState, Trouble, refusal

_log = structlog.get_logger(__name__)


class Deploy:
    """One look at the workload of an application. What is applied already is not written again."""

    def __init__(self, context: Context, application: Application) -> None:
        self.application = application
        self._settings = context.settings
        self._limiter = context.limiter
        self._own_client = context.client
        self._client = context.workloads.client
        self._cache = context.workloads.cache
        self._memory = context.workloads.memory
        self._owned = self._client.namespace == context.client.namespace

    async def apply(
        self,
        release: Release,
        build: Build,
        values: ReleaseValues,
        processes: Sequence[Process],
    ) -> None:
        """Bring the release to run: what its Pods need first, then a Deployment a type.

        Raises NameTakenError if an object that is needed is somebody else's.
        """
        application = self.application
        await self._apply(SERVICE_ACCOUNTS, objects.service_account(application, owned=self._owned))
        await self._apply(NETWORK_POLICIES, objects.network_policy(application, owned=self._owned))
        if not self._owned:
            await copy_config(self._own_client, self._client, application, release)
        running = Running(
            application=application,
            release=release,
            build=build,
            values=values,
            routed=routable(process.type for process in processes),
            limits=Limits(
                deadline=self._settings.workload_deadline,
                settle=self._settings.workload_settle,
                grace=self._settings.workload_grace,
            ),
            same_namespace=self._owned,
        )
        if running.routed is not None and self._service() is None:
            await self._apply(
                SERVICES, objects.service(application, running.routed, owned=self._owned)
            )
        for process in processes:
            await self._apply_process(running, process)

    async def switch_traffic(self, processes: Sequence[Process]) -> None:
        """Lead the Service to the type that is reached from outside; without one, take it away."""
        routed = routable(process.type for process in processes)
        if routed is not None:
            body = objects.service(self.application, routed, owned=self._owned)
            await self._apply(SERVICES, body)
        elif (found := self._service()) is not None:
            await self._delete(SERVICES, found.metadata)

    async def remove_types(self, kept: frozenset[str]) -> None:
        """Take away the Deployments of all other types; with none left, the Service too."""
        for found in self._deployments():
            if found.metadata.process_type not in kept:
                await self._delete(DEPLOYMENTS, found.metadata)
        service = self._service()
        if not kept and service is not None:
            await self._delete(SERVICES, service.metadata)

    def is_reachable(self) -> bool:
        """Say whether there is a Service: without web and cmd there is none."""
        return self._service() is not None

    async def route(self, hosts: frozenset[str]) -> Mapping[str, Trouble]:
        """Lead these hosts, and no others, to the application; return those that cannot be."""
        unrouted: dict[str, Trouble] = {}
        names = set()
        for host in sorted(hosts):
            body = objects.ingress(
                self.application,
                host,
                owned=self._owned,
                ingress_class=self._settings.ingress_class,
            )
            names.add(body["metadata"]["name"])
            try:
                await self._apply(INGRESSES, body)
            except NameTakenError as error:
                unrouted[host] = Trouble("NameTaken", str(error))
            except (Invalid, Forbidden) as error:
                unrouted[host] = refusal(error.message, "Refused")
        for found in self._cache.store(INGRESSES).find(WORKLOAD, self.application.metadata.uid):
            if found.metadata.name not in names and self._is_ours(found.metadata):
                await self._delete(INGRESSES, found.metadata)
        return unrouted

    def present(self) -> tuple[Process, ...]:
        """Return the processes of which there are Deployments."""
        return tuple(
            Process(type=found.metadata.process_type, replicas=found.spec.replicas)
            for found in self._deployments()
        )

    def states(self, wanted: Iterable[Process]) -> list[ProcessState]:
        """Return how the wanted processes are; those that are only there are left out."""
        deployments = {found.metadata.process_type: found for found in self._deployments()}
        pods = self._cache.store(PODS).find(WORKLOAD, self.application.metadata.uid)
        return [
            ProcessState(
                type=process.type,
                replicas=_count(deployments.get(process.type), process.replicas),
                deployment=deployments.get(process.type),
                pods=tuple(pod for pod in pods if pod.metadata.process_type == process.type),
            )
            for process in sorted(wanted, key=lambda process: process.type)
        ]

    def releases(self) -> frozenset[str]:
        """Return the labels of the releases of which there are Pods."""
        pods = self._cache.store(PODS).find(WORKLOAD, self.application.metadata.uid)
        return frozenset(pod.metadata.release for pod in pods)

    async def _apply_process(self, running: Running, process: Process) -> None:
        name = workload_name(self.application.spec.name, process.type)
        scaled = bool(self._cache.store(AUTOSCALERS).find(SCALED, name))
        body = objects.deployment(running, process.type, process.replicas)
        if scaled and process.replicas:
            live = self._cache.store(DEPLOYMENTS).get(name)
            if live is not None and live.spec.replicas:
                body["spec"]["replicas"] = live.spec.replicas
            await self._apply(DEPLOYMENTS, body, keep_replicas=True)
        else:
            await self._apply(DEPLOYMENTS, body)

    async def _apply(
        self, kind: Kind[Any] | Resource, body: Mapping[str, Any], *, keep_replicas: bool = False
    ) -> None:
        name = body["metadata"]["name"]
        store = self._cache.store(kind) if isinstance(kind, Kind) else None
        live = store.get(name) if store is not None else None
        gone = store is not None and live is None
        metadata = live.metadata if live is not None else None
        if not gone and self._memory.is_applied(
            kind.name, body, metadata, seconds=self._settings.workload_resync
        ):
            return
        await self._limiter.acquire()
        adjust = _with_live_replicas if keep_replicas else None
        answer = await apply_owned(self._client, kind, body, adjust=adjust)
        if store is not None and isinstance(kind, Kind):
            store.apply(msgspec.convert(answer, kind.view))
        self._memory.applied(kind.name, body, answer)
        _log.info("applied", kind=kind.name, object=name, application=self.application.spec.name)

    async def _delete(self, kind: Kind[Any], metadata: OwnedMeta) -> None:
        with suppress(NotFound):
            await self._client.delete_document(kind, metadata.name, uid=metadata.uid)
        self._memory.forget(kind.name, metadata.name)

    def _deployments(self) -> Iterable[Deployment]:
        found = self._cache.store(DEPLOYMENTS).find(WORKLOAD, self.application.metadata.uid)
        return [one for one in found if self._is_ours(one.metadata)]

    def _service(self) -> Any:
        found = self._cache.store(SERVICES).get(workload_name(self.application.spec.name))
        return found if found is not None and self._is_ours(found.metadata) else None

    def _is_ours(self, metadata: OwnedMeta) -> bool:
        uid = self.application.metadata.uid
        return metadata.controller_uid == uid if self._owned else metadata.application_uid == uid


async def sweep_workload(context: Context, application: Application) -> int:
    """Delete the workload of a deleted application; return how much was found and may be there.

    What Kubernetes' own garbage collection would do is done here too: it comes late, and it does
    not reach another namespace.
    """
    found = 0
    client, uid = context.workloads.client, application.metadata.uid
    same = client.namespace == context.client.namespace
    for kind in (DEPLOYMENTS, SERVICES, INGRESSES, NETWORK_POLICIES, SERVICE_ACCOUNTS):
        listed = await client.list_documents(kind, label_selector=f"{APPLICATION_UID_LABEL}={uid}")
        for document in listed:
            metadata = msgspec.convert(document["metadata"], OwnedMeta)
            if same and metadata.controller_uid != uid:
                continue
            found += 1
            if not metadata.terminating:
                with suppress(NotFound):
                    await client.delete_document(kind, metadata.name, uid=metadata.uid)
            context.workloads.memory.forget(kind.name, metadata.name)
    await _sweep_runs(context, application)
    return found if same else found + await _sweep_copies(client, uid)


async def _sweep_runs(context: Context, application: Application) -> None:
    """Ask the application's one-off commands to end. They are not waited for, as no Pod is."""
    client, uid = context.workloads.client, application.metadata.uid
    owned = client.namespace == context.client.namespace
    for pod in context.workloads.cache.store(PODS).find(WORKLOAD, uid):
        if is_run(pod, owned=owned) and not pod.metadata.terminating:
            with suppress(NotFound):
                await client.delete(PODS, pod.metadata.name, uid=pod.metadata.uid)


async def _sweep_copies(client: Client, uid: str) -> int:
    """Delete the copies of an application's configurations, which have no owner there."""
    found = 0
    listed = await client.list_documents(SECRETS, label_selector=f"{APPLICATION_UID_LABEL}={uid}")
    for secret in listed:
        if secret.get("type") == CONFIG_TYPE:
            found += 1
            with suppress(NotFound):
                name, own_uid = secret["metadata"]["name"], secret["metadata"]["uid"]
                await client.delete_document(SECRETS, name, uid=own_uid)
    return found


def _count(deployment: Deployment | None, wanted: int) -> int:
    """Return how many instances are wanted: an autoscaler may want another number."""
    return deployment.spec.replicas if deployment is not None and wanted else wanted


def _with_live_replicas(body: Mapping[str, Any], live: Mapping[str, Any]) -> Mapping[str, Any]:
    replicas = live["spec"].get("replicas") or body["spec"]["replicas"]
    return {**body, "spec": {**body["spec"], "replicas": replicas}}
