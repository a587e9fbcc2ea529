"""How soon replicas stand in for each other: `python -m benchmarks.handover`.

Measured is the time from the acknowledgement of a write by one facade until the other facade
shows it, and from the death of the active operator until the other one has adopted a device that
was made in that moment.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import httpx
from kubernetes import client

from benchmarks import report
from benchmarks.report import Row
from benchmarks.stand import (
    FACADE,
    NAMESPACE,
    OPERATOR,
    SECOND_FACADE,
    SECOND_OPERATOR,
    Stand,
)
from polyfleet.local import install
from polyfleet.local.progress import StepProgress

SECTION = "handover"
APPS = "/api/registry/v1alpha1/apps"
HANDOVER_SECONDS = 15.0
"""What the hand-over may take."""

_NAME = "moving"
_GROUP, _VERSION = "polyfleet.dev", "v1alpha1"
_LONGEST = 120.0
_PAUSE = 0.05


def main() -> None:
    """Measure, print the table and write it into docs/reliability.md."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.handover", description=__doc__)
    parser.add_argument("--writes", type=int, default=300)
    parser.add_argument("--handovers", type=int, default=6)
    parser.add_argument("--dry-run", action="store_true", help="print only")
    options = parser.parse_args()
    busy = os.getloadavg()[0]
    with (
        tempfile.TemporaryDirectory(prefix="polyfleet-bench-") as directory,
        Stand(Path(directory)) as stand,
    ):
        for facade in (FACADE, SECOND_FACADE):
            stand.start_service(facade)
        seen = _writes(stand, options.writes)
        for facade in (FACADE, SECOND_FACADE):
            stand.stop_service(facade)
        taken = _handovers(stand, options.handovers)
    rows = [
        _row("a write, seen through the other facade: p50", statistics.median(seen)),
        _row("a write, seen through the other facade: p99", _percentile(seen, 0.99)),
        _row("a write, seen through the other facade: longest", max(seen)),
        report.at_most_row("hand-over of the operator: longest", max(taken), HANDOVER_SECONDS, "s"),
        Row("hand-over of the operator: median", measured=f"{statistics.median(taken):.1f} s"),
        Row("load of the machine before", measured=f"{busy:.1f}"),
    ]
    command = (
        f"python -m benchmarks.handover --writes {options.writes} --handovers {options.handovers}"
    )
    text = report.table(command, rows)
    print(text)
    if not options.dry_run:
        report.write(SECTION, text, page=report.RELIABILITY)


def _writes(stand: Stand, number: int) -> list[float]:
    """Write through one facade and look through the other, in turn."""
    seen = []
    headers = {"Authorization": f"Bearer {stand.management_token}"}
    with (
        StepProgress("Writes", total=number) as progress,
        httpx.Client(base_url=stand.url(FACADE), headers=headers, trust_env=False) as one,
        httpx.Client(base_url=stand.url(SECOND_FACADE), headers=headers, trust_env=False) as two,
    ):
        one.post(APPS, json={"metadata": {"name": _NAME}}).raise_for_status()
        _until(lambda: two.get(f"{APPS}/{_NAME}").is_success)
        for count in range(number):
            here, there = (one, two) if count % 2 else (two, one)
            seen.append(_write(here, there, str(count)))
            progress.advance(count + 1)
    return seen


def _write(here: httpx.Client, there: httpx.Client, value: str) -> float:
    body = {"metadata": {"name": _NAME, "labels": {"round": value}}}
    here.put(f"{APPS}/{_NAME}", json=body).raise_for_status()

    def is_seen() -> bool:
        shown = there.get(f"{APPS}/{_NAME}").raise_for_status().json()
        return bool(shown["metadata"].get("labels", {}).get("round") == value)

    return _until(is_seen)


def _handovers(stand: Stand, number: int) -> list[float]:
    """Kill the active operator again and again; the one that stood by is the next to die."""
    taken = []
    with (
        StepProgress("Hand-overs", total=number) as progress,
        install.connect(stand.administrator) as connection,
    ):
        objects = client.CustomObjectsApi(connection)
        active, standby = OPERATOR, SECOND_OPERATOR
        stand.start_service(active)
        _until(lambda: _adopted(objects, "before"), _PAUSE)
        for count in range(number):
            stand.start_service(standby)
            name = f"after-{count}"
            stand.kill_service(active)
            taken.append(_until(lambda name=name: _adopted(objects, name), _PAUSE))
            active, standby = standby, active
            progress.advance(count + 1)
    return taken


def _adopted(objects: client.CustomObjectsApi, name: str) -> bool:
    """Say whether the device has a serial of the operator's; make it if it is not there."""
    place = (_GROUP, _VERSION, NAMESPACE, "devices")
    try:
        device = objects.get_namespaced_custom_object(*place, name)
    except client.ApiException:
        spec = {"application": "default", "deviceId": name}
        body = {
            "apiVersion": f"{_GROUP}/{_VERSION}",
            "kind": "Device",
            "metadata": {"name": name},
            "spec": spec,
        }
        objects.create_namespaced_custom_object(*place, body)
        return False
    return "polyfleet.dev/serial" in device["metadata"].get("labels", {})


def _until(holds: Callable[[], bool], pause: float = 0.0) -> float:
    """Wait until something holds; return how many seconds that took."""
    started = time.monotonic()
    while not holds():
        if time.monotonic() - started > _LONGEST:
            raise TimeoutError(f"not in {_LONGEST:g} s")
        time.sleep(pause)
    return time.monotonic() - started


def _row(what: str, seconds: float) -> Row:
    return Row(what, measured=f"{seconds * 1000:,.1f} ms")


def _percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


if __name__ == "__main__":
    main()
