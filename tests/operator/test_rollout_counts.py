"""Counts that are kept must be what one gets by counting anew."""

from pathlib import Path

import msgspec
import pytest

from polyfleet.fleet.objects.group import DeviceGroup, LabelSelector
from polyfleet.fleet.objects.metadata import ManagedFields
from polyfleet.fleet.objects.rollout import OpenedStep, RolloutStep, RolloutTargets
from polyfleet.fleet.rollout.dates import dated_selector
from polyfleet.fleet.rollout.reach import live
from polyfleet.operator.rollout_counts import RolloutCounts
from tests.fleet import make
from tests.operator.in_process import operator_of

MADE, OPENED, ANNOTATED = "2026-05-01T12:00:00Z", "2026-05-02T12:00:00Z", "2026-05-03T12:00:00Z"
NEWEST = str(10**12)
PACKAGE = make.package("p2", "2.0.0", device_type=None)
ROLLOUT = make.rollout(
    targets=RolloutTargets(groups=("g",)),
    steps=(RolloutStep(limit="100%"), RolloutStep()),
    opened=(OpenedStep(population=1, frontier=1.0, opened_at=OPENED),),
)


def group(written: str, noted: DeviceGroup | None = None) -> DeviceGroup:
    selector = LabelSelector(match_labels={"ring": "a"})
    found = make.group("g", selector=selector, managed_fields=(ManagedFields(time=written),))
    status = msgspec.structs.replace(found.status, selector=noted and dated_selector(noted))
    return msgspec.structs.replace(found, status=status)


@pytest.mark.parametrize("noted", [True, False])
async def test_a_write_to_a_group_leaves_no_count_behind(
    admin_kubeconfig: Path, namespace: str, noted: bool
) -> None:
    first = group(MADE)
    later = group(ANNOTATED, noted=first if noted else None)
    written = (ManagedFields(time=MADE),)
    device = make.device(
        "d1", labels={"ring": "a"}, managed_fields=written, resource_version=NEWEST
    )
    async with operator_of(admin_kubeconfig, namespace) as context:
        context.cache.devices.apply(device)
        before = await context.counts.tally(live(ROLLOUT, {"g": first}), PACKAGE)
        assert before.reached == 1
        kept = await context.counts.tally(live(ROLLOUT, {"g": later}), PACKAGE)
        anew = await RolloutCounts(context.cache).tally(live(ROLLOUT, {"g": later}), PACKAGE)
        assert kept.reached == anew.reached == int(noted)
