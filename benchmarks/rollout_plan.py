"""How much CPU a rollout costs the operator: a plan, a plan anew, a step, a device that reports.

    python -m benchmarks.rollout_plan [devices]

The devices have real size: an RSA-2048 key, eleven reported attributes, labels. No API server is
needed: the operator's own code runs over a store that is filled as a watch fills it. What is
written to the API server is one status of one Rollout for each line; devices are never written.
"""

import argparse
import asyncio
import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, Self, cast

import msgspec

from benchmarks import report
from benchmarks.report import Row, at_most_row
from benchmarks.store_memory import PAGE, device
from polyfleet.fleet.objects.group import LabelSelector
from polyfleet.fleet.objects.kinds import DEVICES, GROUPS
from polyfleet.fleet.objects.metadata import ManagedFields, ObjectMeta
from polyfleet.fleet.objects.package import Package, PackageSpec
from polyfleet.fleet.objects.rollout import (
    Pause,
    Rollout,
    RolloutSpec,
    RolloutStep,
    RolloutTargets,
)
from polyfleet.fleet.rollout.plan import promotion
from polyfleet.kube.cache import Cache
from polyfleet.kube.codec import codec_of
from polyfleet.kube.store import Store
from polyfleet.operator.context import Context
from polyfleet.operator.controllers.rollouts import Look
from polyfleet.operator.indexes import APPLICATION
from polyfleet.operator.rollout_counts import RolloutCounts

MANY = 100_000
_PLAN_SECONDS = 3.0
_TYPE = "gateway"
_REPORTS = 1_000


@dataclass
class Timed:
    """CPU-seconds of this process."""

    seconds: float = 0.0

    def __enter__(self) -> Self:
        self._start = time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.process_time() - self._start


def pages(devices: int) -> Iterator[bytes]:
    """Make lists of devices as an API server would send them."""
    source = random.Random(1)
    for start in range(0, devices, PAGE):
        items: list[Any] = [device(n, source) for n in range(start, min(start + PAGE, devices))]
        for item in items:
            item["status"]["software"]["version"] = "1.0.0"
            kind = {"name": "rdfm.hardware.devtype", "value": {"string": _TYPE}}
            item["status"]["reported"].append(
                kind | {"source": "rdfm", "at": "2026-01-01T00:00:00Z"}
            )
        listing = {"metadata": {"resourceVersion": "9000000"}, "items": items}
        yield json.dumps(listing, separators=(",", ":")).encode()


def main() -> None:
    """Measure, print the table, and write it into docs/performance.md if the fleet is large."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("devices", nargs="?", type=int, default=MANY)
    count = parser.parse_args().devices
    store = Store(DEVICES)
    store.add_index(APPLICATION, lambda item: (item.spec.application,))
    found = [
        store.admit(item) for page in pages(count) for item in codec_of(DEVICES).page(page).items
    ]
    store.replace_all(found, "9000000")
    text = report.table("python -m benchmarks.rollout_plan", asyncio.run(_measure(store, count)))
    print(text)
    if count == MANY:
        report.write("rollouts", text)


async def _measure(store: Any, count: int) -> list[Row]:
    cache = cast("Cache", SimpleNamespace(devices=store, groups=Store(GROUPS)))
    counts = RolloutCounts(cache)
    now = datetime(2027, 1, 1, tzinfo=UTC)
    context = cast("Context", SimpleNamespace(cache=cache, counts=counts, clock=lambda: now))
    package = Package(
        metadata=ObjectMeta(name="p2", uid="p2"),
        spec=PackageSpec(application="default", version="2.0.0", device_type=_TYPE),
    )
    steps = (RolloutStep(limit="1%", pause=Pause()), RolloutStep(limit="10%", pause=Pause()))
    written = ManagedFields(time="2026-12-31T00:00:00Z")
    rollout = Rollout(
        metadata=ObjectMeta(name="ring", uid="ring", managed_fields=(written,)),
        spec=RolloutSpec(
            application="default",
            package="p2",
            targets=RolloutTargets(selector=LabelSelector()),
            steps=steps,
        ),
    )
    with Timed() as planned:
        look = await _look(context, rollout, package, opened=1)
    promoted = promotion(look.live.digest, 1)
    with Timed() as opened:
        look = await _look(context, _with(look, promoted=promoted), package, opened=2)
    with Timed() as again:
        await _look(context, _with(look, steps=steps[:1]), package, opened=1)
    names = [item.metadata.name for item in store.values()[:_REPORTS]]
    with Timed() as reported:
        for name in names:
            old = store.get(name)
            new = msgspec.structs.replace(
                old,
                status=msgspec.structs.replace(
                    old.status,
                    software=msgspec.structs.replace(old.status.software, version="2.0.0"),
                ),
            )
            list(counts.changed(old, new))
    each = reported.seconds / len(names)
    return [
        at_most_row(
            f"plan a rollout over {count:,} devices", planned.seconds, _PLAN_SECONDS, "CPU-s"
        ),
        at_most_row("plan it anew after an edit", again.seconds, _PLAN_SECONDS, "CPU-s"),
        at_most_row("open its next step", opened.seconds, _PLAN_SECONDS, "CPU-s"),
        Row("count a device that reports", measured=f"{each * 1e6:.0f} CPU-µs"),
    ]


def _with(look: Look, **spec: object) -> Rollout:
    """Return the rollout as it is after a look, edited."""
    rollout = look.live.rollout
    return msgspec.structs.replace(rollout, spec=msgspec.structs.replace(rollout.spec, **spec))


async def _look(context: Context, rollout: Rollout, package: Package, *, opened: int) -> Look:
    look = Look(context, rollout, package)
    await look.go()
    if len(look.live.rollout.status.steps) != opened:
        raise RuntimeError(f"{opened} steps should be open")
    return look


if __name__ == "__main__":
    main()
