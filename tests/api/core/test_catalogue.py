"""The catalogue is built again when a decision could change, and only then."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from polyfleet.api.core.catalogue import CatalogueSource
from polyfleet.api.startup import ensure_application
from polyfleet.fleet.objects.application import KEEPS_DEVICES
from polyfleet.fleet.objects.group import DeviceGroup
from polyfleet.fleet.objects.kinds import APPLICATIONS, GROUPS, PACKAGES
from polyfleet.fleet.rollout.dates import dated_selector
from tests.api.core.conftest import Clock, Namespace


@pytest.fixture
async def source(fleet: Namespace, clock: Clock) -> Iterator[CatalogueSource]:
    await ensure_application(fleet.writer, fleet.cache, "default", clock())
    source = CatalogueSource(fleet.cache)
    yield source
    source.close()


async def make_group(fleet: Namespace, name: str = "canary", **spec: Any) -> DeviceGroup:
    body = {"application": "default", "name": name, **spec}
    return await fleet.writer.create(GROUPS, f"default.{name}", body)


async def test_it_holds_what_the_cache_holds(fleet: Namespace, source: CatalogueSource) -> None:
    await make_group(fleet)
    await fleet.writer.create(PACKAGES, "package-1", {"application": "default", "version": "v1"})
    catalogue = source.current()
    assert set(catalogue.groups) == {"default.canary"}
    assert set(catalogue.packages) == {"package-1"}
    assert set(catalogue.applications) == {"default"}


async def test_it_is_the_same_while_nothing_changes(
    fleet: Namespace, source: CatalogueSource
) -> None:
    await make_group(fleet)
    first = source.current()
    await fleet.device("a")
    assert source.current() is first


async def test_counts_do_not_build_it_again(fleet: Namespace, source: CatalogueSource) -> None:
    group = await make_group(fleet)
    first = source.current()
    await fleet.writer.patch(GROUPS, group, {"status": {"members": 7}}, subresource="status")
    assert source.current() is first


async def test_a_changed_spec_is_seen_at_once(fleet: Namespace, source: CatalogueSource) -> None:
    group = await make_group(fleet)
    source.current()
    await fleet.writer.patch(GROUPS, group, {"spec": {"policy": "exact_match,v2"}})
    assert source.current().groups["default.canary"].spec.policy == "exact_match,v2"


async def test_a_committed_change_of_members_is_seen_at_once(
    fleet: Namespace, source: CatalogueSource
) -> None:
    group = await make_group(fleet)
    source.current()
    change = {"id": "abcdefgh", "deadline": "2031-05-04T12:00:00Z", "committed": True}
    status = {"status": {"changes": [change]}}
    await fleet.writer.patch(GROUPS, group, status, subresource="status")
    (seen,) = source.current().groups["default.canary"].status.changes
    assert seen.committed


async def test_a_write_that_moves_the_date_of_a_selector_is_seen_at_once(
    fleet: Namespace, source: CatalogueSource
) -> None:
    group = await make_group(fleet, selector={"matchLabels": {"ring": "a"}})
    first = source.current()
    finalizer = {"metadata": {"finalizers": ["example.com/wait"]}}
    await until_another_second(group)
    group = await fleet.writer.patch(GROUPS, group, finalizer)
    assert source.current() is not first
    # Noted in the status, it does not move any more.
    noted = {"status": {"selector": msgspec.to_builtins(dated_selector(group))}}
    group = await fleet.writer.patch(GROUPS, group, noted, subresource="status")
    await until_another_second(group)
    second = source.current()
    await fleet.writer.patch(GROUPS, group, {"metadata": {"finalizers": None}})
    assert source.current() is second


async def until_another_second(group: DeviceGroup) -> None:
    """Wait for another second than that in which the group was written: dates have no fractions."""
    written = datetime.fromisoformat(group.metadata.changed_at)
    left = written + timedelta(seconds=1.1) - datetime.now(UTC)
    await asyncio.sleep(max(0.0, left.total_seconds()))


async def test_what_is_deleted_is_gone_at_once(fleet: Namespace, source: CatalogueSource) -> None:
    group = await make_group(fleet)
    source.current()
    await fleet.writer.delete(GROUPS, group)
    assert not source.current().groups


async def test_once_closed_it_follows_no_longer(fleet: Namespace, source: CatalogueSource) -> None:
    first = source.current()
    source.close()
    await make_group(fleet)
    assert source.current() is first


@pytest.mark.parametrize("keeps_devices", [True, False])
async def test_an_application_whose_deletion_waits_for_devices_is_served(
    fleet: Namespace, source: CatalogueSource, keeps_devices: bool
) -> None:
    finalizers = ["polyfleet.dev/operator", *([KEEPS_DEVICES] if keeps_devices else [])]
    spec = {"name": "main"}
    made = await fleet.writer.create(APPLICATIONS, "main", spec, finalizers=finalizers)
    await fleet.writer.create(GROUPS, "main.g", {"application": "main", "name": "g"})
    await fleet.writer.delete(APPLICATIONS, made)
    assert ("main" in source.current().applications) is keeps_devices
    assert ("main.g" in source.current().groups) is keeps_devices
    going = fleet.cache.applications.get("main")
    assert going is not None
    await fleet.writer.patch(APPLICATIONS, going, {"metadata": {"finalizers": finalizers[:1]}})
    assert "main" not in source.current().applications
