"""The Pods of applications, as a watch of their own keeps them."""

from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

import anyio.to_thread
import structlog

from polyfleet.api.core.facade import Facade
from polyfleet.fleet.objects.application import Application
from polyfleet.fleet.objects.kinds import PODS
from polyfleet.fleet.objects.workload import Pod
from polyfleet.fleet.workloads.runs import is_run
from polyfleet.kube.cache import Cache
from polyfleet.kube.client import Client
from polyfleet.kube.configuration import load_connection
from polyfleet.kube.store import Store

_BY_APPLICATION = "deis: pods of an application"
_SYNC_SECONDS = 10.0

_log = structlog.get_logger("polyfleet.deis")


class Pods:
    """The Pods of all applications. An async context manager that keeps them up to date."""

    def __init__(self, facade: Facade) -> None:
        self._facade = facade
        self._stack = AsyncExitStack()
        self._client = facade.client
        self._cache: Cache | None = None

    async def __aenter__(self) -> Self:
        settings = self._facade.settings
        namespace = settings.workloads_namespace or settings.namespace
        if namespace != settings.namespace:
            connection = await anyio.to_thread.run_sync(load_connection, settings.kubeconfig)
            client = Client(
                connection,
                namespace=namespace,
                field_manager=self._facade.client.field_manager,
                registry=self._facade.client.registry,
            )
            self._client = await self._stack.enter_async_context(client)
        self._cache = await self._stack.enter_async_context(Cache(self._client, (PODS,)))
        self.store.add_index(
            _BY_APPLICATION,
            lambda pod: (pod.metadata.application_uid,),
            order=lambda pod: pod.metadata.creation_timestamp,
        )
        try:
            await self._cache.wait_synced(_SYNC_SECONDS)
        except TimeoutError:
            # The watch goes on trying; all but containers is served meanwhile.
            _log.error("pods cannot be read", namespace=namespace)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    @property
    def client(self) -> Client:
        """The API server's namespace in which applications run."""
        return self._client

    @property
    def store(self) -> Store[Pod]:
        """All Pods of applications."""
        if self._cache is None:
            raise RuntimeError("pods are watched from the start of the dialect on")
        return self._cache.store(PODS)

    def of(self, application: Application) -> list[Pod]:
        """Return the application's Pods but for one-off commands, the oldest first."""
        owned = self._client.namespace == self._facade.settings.namespace
        return [
            pod
            for pod in self.store.find(_BY_APPLICATION, application.metadata.uid)
            if pod.metadata.process_type and not is_run(pod, owned=owned)
        ]
