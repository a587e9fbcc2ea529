"""Measure a facade and an operator with 10,000 devices, or with 100,000."""

import argparse
import os
import tempfile
from pathlib import Path

from benchmarks import figures, report
from benchmarks.figures import Rate
from benchmarks.fleet import Fleet
from benchmarks.report import Row, at_most_row, memory_rows, rate_row
from benchmarks.stand import FACADE, OPERATOR, Stand

DEVICES, LARGE = 10_000, 100_000

_CHECK, _AUTHORIZE, _READ_RATIO = 4_000, 1_500, 5
_CREATE_MILLISECONDS, _CREATE_SHARE = 0.4, 0.75
_READY_SECONDS, _READY_MIB = 45, 600
_MIB = 1024 * 1024
_QUIET_LOAD = 0.5


def main() -> None:
    """Measure, print the tables and write them into docs/performance.md."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--large", action="store_true", help="with 100,000 devices")
    parser.add_argument("--dry-run", action="store_true", help="print only, with 500 devices")
    options = parser.parse_args()
    size = 500 if options.dry_run else DEVICES
    load = os.getloadavg()[0]
    if load > _QUIET_LOAD:
        print(f"the machine is busy (load {load:.1f}): figures will be worse than they are")
    with (
        tempfile.TemporaryDirectory(prefix="polyfleet-bench-") as directory,
        Stand(Path(directory)) as stand,
    ):
        stand.start_service(FACADE)
        if options.large:
            rows = _large(Fleet(stand, LARGE), stand)
            _tell(f"{LARGE:,} devices", "python -m benchmarks --large", rows, write=True)
        else:
            rows = _ordinary(Fleet(stand, size), stand, size)
            write = not options.dry_run
            _tell(f"{DEVICES:,} devices", "python -m benchmarks", rows, write=write)


def _ordinary(fleet: Fleet, stand: Stand, size: int) -> list[Row]:
    seeded = Rate("kube-apiserver", *fleet.grow(size))
    ready = _restart(stand)
    figures.wait_until_seen(fleet, stand)
    nothing, offer = figures.check_updates(fleet, stand)
    authorized = figures.authorize(fleet, stand)
    ours, raw_read = figures.read_one(fleet, stand)
    raw, enrolled, accepted = figures.create(fleet, stand)
    return [
        rate_row("RDFM update/check, nothing new (204)", nothing, target=_CHECK),
        rate_row("RDFM update/check, an offer (200)", offer, target=_CHECK),
        rate_row("RDFM device authorization", authorized, target=_AUTHORIZE),
        rate_row("read one device, kube-apiserver", raw_read),
        rate_row("read one device, RDFM", ours, target=_READ_RATIO * raw_read.per_cpu_second),
        *_creations(raw, enrolled, accepted),
        Row("seeding the fleet, kube-apiserver", measured=f"{seeded.per_second:,.0f} / s"),
        *ready,
        *memory_rows(stand.watched.resident()),
    ]


def _creations(raw: Rate, enrolled: Rate, accepted: Rate) -> list[Row]:
    rows = [
        Row(
            "create a device, kube-apiserver",
            "",
            f"{raw.per_second:,.0f} / s",
            None,
            report.latency(raw),
        )
    ]
    for what, rate in (("enroll a device, RDFM", enrolled), ("let a device in, RDFM", accepted)):
        target = _CREATE_SHARE * raw.per_second
        rows += [
            at_most_row(f"{what}: facade", rate.cpu_milliseconds, _CREATE_MILLISECONDS, "CPU-ms"),
            Row(
                what,
                f"{target:,.0f} / s",
                f"{rate.per_second:,.0f} / s",
                rate.per_second / target,
                report.latency(rate),
            ),
        ]
    return rows


def _large(fleet: Fleet, stand: Stand) -> list[Row]:
    """Measure with 100,000 devices; with 10,000 before, to compare with in the same run."""
    fleet.fill(DEVICES)
    _restart(stand)
    figures.wait_until_seen(fleet, stand)
    before = figures.check_updates(fleet, stand)
    fleet.fill(LARGE)
    ready = _restart(stand)
    figures.wait_until_seen(fleet, stand)
    nothing, offer = figures.check_updates(fleet, stand)
    ours, raw_read = figures.read_one(fleet, stand)
    limits = [rate.per_cpu_second for rate in before]
    return [
        *ready,
        rate_row("RDFM update/check, nothing new (204)", nothing, target=limits[0]),
        rate_row("RDFM update/check, an offer (200)", offer, target=limits[1]),
        rate_row("read one device, kube-apiserver", raw_read),
        rate_row("read one device, RDFM", ours, target=_READ_RATIO * raw_read.per_cpu_second),
        *memory_rows(stand.watched.resident()),
    ]


def _restart(stand: Stand) -> list[Row]:
    """Start facade and operator anew, one after the other, with the fleet already there."""
    rows = []
    for name in (FACADE, OPERATOR):
        seconds = stand.start_service(name)
        used = stand.watched.resident()[name] / _MIB
        rows += [
            at_most_row(f"{name}: ready", seconds, _READY_SECONDS, "s"),
            at_most_row(f"{name}: memory when ready", used, _READY_MIB, "MiB"),
        ]
    return rows


def _tell(section: str, command: str, rows: list[Row], *, write: bool) -> None:
    text = report.table(command, rows)
    print(text)
    if write:
        report.write(section, text)


if __name__ == "__main__":
    main()
