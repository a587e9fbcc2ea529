"""An operator that dies at any request of a deploy: the next one finishes it, and only once."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from polyfleet.fleet.objects.kinds import APPLICATIONS, BUILDS, DOMAINS, RELEASES, WORKLOAD_KINDS
from polyfleet.kube.client import Client
from polyfleet.kube.resources import NETWORK_POLICIES, SECRETS, SERVICE_ACCOUNTS
from polyfleet.operator.context import Context
from tests.kube.transactions.side import GatedClient
from tests.operator.in_process import look, operator_of

_HASHED = "[0-9a-f]{16}$|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
MOST_REQUESTS = 60


class Dying:
    """Ends the task that it is told of at its n-th request: before it is sent, or after."""

    def __init__(self, requests: int, *, after_sending: bool) -> None:
        self.left = requests
        self.after_sending = after_sending
        self.victim: asyncio.Task[Any] | None = None

    async def gate(self, send: Callable[[], Awaitable[bytes]]) -> bytes:
        self.left -= 1
        if self.left:
            return await send()
        if self.after_sending:
            await send()
        assert self.victim is not None
        self.victim.cancel()
        await asyncio.Event().wait()
        raise AssertionError


async def make(client: Client, name: str) -> None:
    await client.create(APPLICATIONS, {"metadata": {"name": name}, "spec": {"name": name}})
    # As the controller of Applications leaves it.
    await client.patch(
        APPLICATIONS, name, {"status": {"observedGeneration": 1}}, subresource="status"
    )
    secret = {"metadata": {"name": f"app-{name}-config"}, "stringData": {"A": "1"}}
    await client.create_document(SECRETS, secret)
    procfile = {"web": "w", "worker": "v"}
    spec = {"application": name, "image": "shop:1", "procfile": procfile}
    await client.create(BUILDS, {"metadata": {"name": f"{name}-b"}, "spec": spec})
    host = f"{name}.example"
    domain = {"application": name, "domain": host}
    await client.create(DOMAINS, {"metadata": {"name": host}, "spec": domain})


async def known(context: Context, name: str) -> None:
    """Wait until the caches have all of it."""
    for _ in range(600):
        cache = context.cache
        if (
            (application := cache.applications.get(name)) is not None
            and application.status.observed_generation
            and cache.builds.get(f"{name}-b") is not None
            and cache.domains.get(f"{name}.example") is not None
            and context.given_configs.get(f"app-{name}-config") is not None
        ):
            return
        await asyncio.sleep(0.05)
    raise AssertionError("not known")


async def state(client: Client, name: str) -> dict[str, Any]:
    """Return what there is of the application, but for what differs from one to the next."""
    selector = f"polyfleet.dev/application={name}"
    found: dict[str, Any] = {}
    for kind in (*WORKLOAD_KINDS[:4], NETWORK_POLICIES, SERVICE_ACCOUNTS, SECRETS):
        if kind.name == "Pod":  # made by Kubernetes' own controllers, where these run
            continue
        listed = await client.list_documents(kind, label_selector=selector)
        names = (item["metadata"]["name"].replace(name, "NAME") for item in listed)
        found[kind.name] = sorted(re.sub(_HASHED, "HASH", each) for each in names)
    pages = client.list_pages(RELEASES, field_selector=f"spec.application={name}")
    releases = [release async for page in pages for release in page.items]
    found["releases"] = [(item.spec.version, item.spec.summary) for item in releases]
    found["conditions"] = [
        sorted((one.type, one.status, one.reason) for one in item.status.conditions)
        for item in releases
    ]
    application = await client.get(APPLICATIONS, name)
    status = application.status
    found["status"] = (status.last_release, status.release, status.running)
    found["reasons"] = sorted((one.type, one.reason) for one in status.conditions)
    return found


async def test_a_deploy_is_finished_by_the_next_operator_wherever_the_first_one_died(
    admin_kubeconfig: Path, namespace: str
) -> None:
    async with (
        operator_of(admin_kubeconfig, namespace) as mortal,
        operator_of(admin_kubeconfig, namespace) as heir,
    ):
        await make(mortal.client, "whole")
        await known(mortal, "whole")
        await look(mortal, "whole")
        whole = await state(mortal.client, "whole")
        assert whole["releases"] == [(1, "kubectl deployed shop:1 and added A")]
        assert len(whole["Deployment"]) == 1
        assert len(whole["Ingress"]) == 2
        for request in range(1, MOST_REQUESTS):
            after_sending = bool(request % 2)
            name = f"died-{request}"
            await make(mortal.client, name)
            await known(mortal, name)
            dying = Dying(request, after_sending=after_sending)
            assert isinstance(mortal.client, GatedClient)
            victim = asyncio.create_task(look(mortal, name))
            dying.victim = victim
            mortal.client.gate = dying.gate
            await asyncio.wait([victim])
            mortal.client.gate = None
            await known(heir, name)
            await look(heir, name)
            assert await state(heir.client, name) == whole, f"died at request {request}"
            if not victim.cancelled():
                # It had no more requests: every one of them was tried.
                victim.result()
                return
        pytest.fail("a deploy has more requests than this test can try")
