"""What the operator decides while one of its watches is behind another."""

import uuid
from pathlib import Path
from typing import Any

import pytest

from polyfleet.fleet.conditions import has_reason, holds
from polyfleet.fleet.objects.application import Application
from polyfleet.fleet.objects.kinds import APPLICATIONS, BUILDS, DEPLOYMENTS, RELEASES
from polyfleet.kube.releases import create_config, ensure_release
from polyfleet.kube.resources import SECRETS
from polyfleet.operator.context import Context
from polyfleet.operator.controllers import workloads
from tests.operator.in_process import SECONDS, look, operator_of


async def wish(context: Context, application: Application, **workload: Any) -> Application:
    """Ask for a release, as a facade does."""
    config = str(uuid.uuid4())
    await create_config(context.client, application.spec.name, config, {})
    spec = {
        "workload": {**workload, "change": {"id": str(uuid.uuid4()), "by": "ann"}},
        "config": {"uuid": config},
    }
    changed = await context.writer.patch(APPLICATIONS, application, {"spec": spec})
    await ensure_release(context.writer, context.cache, changed, context.clock())
    return changed


async def make(context: Context) -> Application:
    """Make an application, as its own controller leaves it."""
    made = await context.writer.create(APPLICATIONS, "shop", {"name": "shop"})
    seen = {"status": {"observedGeneration": 1}}
    return await context.writer.patch(APPLICATIONS, made, seen, subresource="status")


async def test_a_release_may_be_known_before_its_build(
    admin_kubeconfig: Path, namespace: str
) -> None:
    async with operator_of(admin_kubeconfig, namespace) as context:
        made = await make(context)
        spec = {"application": "shop", "image": "shop:1"}
        build = await context.writer.create(BUILDS, "shop-1", spec)
        await wish(context, made, build="shop-1")
        assert await context.cache.builds.wait_for_version(
            "shop-1", build.metadata.resource_version, SECONDS
        )
        context.cache.builds.remove(build, confirmed=False)

        await look(context, "shop")

        release = await context.client.get(RELEASES, "shop-v1")
        assert has_reason(release, "Ready", "Deploying")
        await context.workloads.client.get(DEPLOYMENTS, "app-shop-cmd")


async def test_a_build_may_be_known_before_the_environment_that_was_made_with_it(
    admin_kubeconfig: Path, namespace: str
) -> None:
    async with operator_of(admin_kubeconfig, namespace) as context:
        await make(context)
        secret = {"metadata": {"name": "app-shop-config"}, "stringData": {"A": "1"}}
        made = await context.client.create_document(SECRETS, secret)
        store = context.given_configs
        version = made["metadata"]["resourceVersion"]
        assert await store.wait_for_version("app-shop-config", version, SECONDS)
        given = store.get("app-shop-config")
        assert given is not None
        store.remove(given, confirmed=False)
        spec = {"application": "shop", "image": "shop:1"}
        await context.writer.create(BUILDS, "shop-1", spec)

        for _ in range(2):
            await look(context, "shop")

        made = await context.client.list_documents(RELEASES)
        summaries = [release["spec"]["summary"] for release in made]
        assert summaries == ["kubectl deployed shop:1 and added A"]


async def test_a_release_may_be_known_before_the_wish_that_it_was_made_for(
    admin_kubeconfig: Path, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with operator_of(admin_kubeconfig, namespace) as context:
        await wish(context, await make(context))
        await look(context, "shop")
        before = context.cache.applications.get("shop")
        assert before is not None
        await wish(context, before)
        store = context.cache.applications
        versions, get = [before], store.get
        monkeypatch.setattr(store, "get", lambda name: versions.pop() if versions else get(name))

        await workloads.reconcile(context, "shop")

        assert not versions
        current = {
            number: holds(await context.client.get(RELEASES, f"shop-v{number}"), "Current")
            for number in (1, 2)
        }
        assert current == {1: False, 2: True}
        application = await context.client.get(APPLICATIONS, "shop")
        assert application.status.release == 2
