"""Takes away the Secrets of configurations that nothing names, and lets Releases own the others."""

from collections import defaultdict
from contextlib import suppress
from datetime import timedelta
from typing import Any, cast

from polyfleet.fleet.instants import parse
from polyfleet.fleet.names import config_secret_name
from polyfleet.fleet.objects.kinds import Kind
from polyfleet.fleet.objects.metadata import APPLICATION_LABEL, View
from polyfleet.fleet.objects.release import Release
from polyfleet.fleet.objects.workload import OwnedMeta
from polyfleet.kube.client import Client
from polyfleet.kube.errors import Conflict, Gone, NotFound
from polyfleet.kube.releases import CONFIG_TYPE, own_config
from polyfleet.operator.context import Context

_PAGE = 500


class _ConfigSecret(View, frozen=True, kw_only=True):
    """A Secret of which only the metadata is kept."""

    metadata: OwnedMeta


_CONFIGS: Kind[Any] = Kind(
    "Secret",
    "secrets",
    cast("Any", _ConfigSecret),
    "v1",
    APPLICATION_LABEL,
    f"type={CONFIG_TYPE}",
)


async def sweep(context: Context, _: str) -> float | None:
    """Delete what nothing names and is not in the making; return when to look again."""
    named: dict[str, list[Release]] = defaultdict(list)
    for release in context.cache.releases.values():
        if release.spec.config.secret_name:
            named[release.spec.config.secret_name].append(release)
    wanted = {
        config_secret_name(application.spec.name, application.spec.config.uuid)
        for application in context.cache.applications.values()
        if application.spec.config is not None and application.spec.config.uuid is not None
    }
    await _sweep(context, context.client, wanted | named.keys(), named)
    workloads = context.workloads.client
    if workloads.namespace != context.client.namespace:
        # Copies have no owner there.
        await _sweep(context, workloads, set(named), {})
    return context.settings.config_sweep_interval


async def _sweep(
    context: Context, client: Client, kept: set[str], owners: dict[str, list[Release]]
) -> None:
    age = timedelta(seconds=context.settings.config_orphan_age)
    with suppress(Gone):  # the list took too long: the next round begins anew
        async for page in client.list_pages(_CONFIGS, limit=_PAGE):
            for secret in page.items:
                metadata: OwnedMeta = secret.metadata
                releases = owners.get(metadata.name, [])
                owning = {owner.uid for owner in metadata.owner_references}
                if any(release.metadata.uid not in owning for release in releases):
                    await own_config(client, releases)
                old = context.clock() - parse(metadata.creation_timestamp) >= age
                if metadata.name not in kept and old:
                    with suppress(NotFound, Conflict):
                        await client.delete_document(
                            _CONFIGS,
                            metadata.name,
                            uid=metadata.uid,
                            resource_version=metadata.resource_version,
                        )
