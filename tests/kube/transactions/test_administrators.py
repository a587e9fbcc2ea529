"""The last administrator stays, also where the answer to a change is lost."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest
from prometheus_client import CollectorRegistry

from polyfleet.fleet.objects.kinds import USERS, Kind, Object
from polyfleet.fleet.objects.user import User
from polyfleet.kube import administrators
from polyfleet.kube.client import Client
from polyfleet.kube.configuration import load_connection
from polyfleet.kube.errors import ApiError, Conflict, TooManyRequests, Unavailable
from polyfleet.kube.refusal import Refused
from polyfleet.kube.writer import Writer
from tests.kube.transactions.side import NOW


class LateClient(Client):
    """A client whose deletions are still on their way when their errors come; the last stays."""

    errors: tuple[ApiError, ...] = ()

    async def delete(self, kind: Kind[Object], name: str, **options: Any) -> Object | None:
        if not self.errors:
            return await super().delete(kind, name, **options)
        error, *others = self.errors
        self.errors = tuple(others) or self.errors
        raise error


@pytest.fixture
async def client(admin_kubeconfig: Path, namespace: str) -> AsyncIterator[LateClient]:
    connection = await anyio.to_thread.run_sync(load_connection, admin_kubeconfig)
    registry = CollectorRegistry()
    async with LateClient(
        connection, namespace=namespace, field_manager="test", registry=registry
    ) as opened:
        yield opened


async def administrator(client: Client, name: str) -> User:
    spec = {"name": name, "administrator": True}
    return await client.create(USERS, {"metadata": {"name": name}, "spec": spec})


LOST = Unavailable(0, "ConnectionFailed", "the connection was lost")
FAILED = Unavailable(503, "ServiceUnavailable", "no answer of the storage in time")
BUSY = TooManyRequests(429, "TooManyRequests", "later")


@pytest.mark.parametrize("errors", [(LOST,), (FAILED,), (LOST, BUSY)])
async def test_who_may_still_go_is_counted_as_gone(
    client: LateClient, errors: tuple[ApiError, ...]
) -> None:
    ann, bob = [await administrator(client, name) for name in ("ann", "bob")]
    client.errors = errors
    with pytest.raises(type(errors[-1])):
        await administrators.remove(Writer(client, retry_seconds=0.5), ann, NOW)
    client.errors = ()

    with pytest.raises(Refused):
        await administrators.remove(Writer(client), bob, NOW)

    await client.delete(USERS, "ann")  # it arrives after all
    assert [user["metadata"]["name"] for user in await client.list_documents(USERS)] == ["bob"]


async def test_who_was_surely_not_deleted_is_still_counted(client: LateClient) -> None:
    ann, bob = [await administrator(client, name) for name in ("ann", "bob")]
    client.errors = (Conflict(409, "Conflict", "it is another one"),)
    with pytest.raises(Conflict):
        await administrators.remove(Writer(client), ann, NOW)
    client.errors = ()

    await administrators.remove(Writer(client), bob, NOW)

    assert [user["metadata"]["name"] for user in await client.list_documents(USERS)] == ["ann"]
