"""A client of the API server under a facade's account, without a facade around it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from prometheus_client import CollectorRegistry

from polyfleet.kube.client import Client
from polyfleet.kube.configuration import load_connection

AnyClient = TypeVar("AnyClient", bound=Client)


@asynccontextmanager
async def facade_client(
    kubeconfig: Path, namespace: str, client: type[AnyClient]
) -> AsyncIterator[AnyClient]:
    """Open a client of that class, known to the API server as a facade."""
    connection = await asyncio.to_thread(load_connection, kubeconfig)
    async with client(
        connection,
        namespace=namespace,
        field_manager="polyfleet-facade",
        registry=CollectorRegistry(),
    ) as opened:
        yield opened
