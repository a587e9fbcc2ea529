"""How soon a waiting device has a command: `python -m benchmarks.commands`.

Devices of Drogue Cloud wait at their inboxes, on the replica that commands are sent to or on
another one. Measured is the time from before the POST until the device has read its command.
"""

import argparse
import asyncio
import itertools
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks import report
from benchmarks.report import Row
from benchmarks.stand import FACADE, SECOND_FACADE, Stand
from polyfleet.local.progress import StepProgress
from polyfleet.simulator.dialects.drogue import DrogueSpeaker
from polyfleet.simulator.machine import Machine
from polyfleet.simulator.people import COMMAND, People
from polyfleet.simulator.simulation import Plan, machines_of
from polyfleet.simulator.tally import Tally
from polyfleet.simulator.wire import Unreachable, Wire

SECTION = "commands"
APPLICATION, PASSWORD = "kettles", "benchmark"

_WAIT_SECONDS = 60.0
_LAST_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Load:
    """How many devices wait, how many commands are sent, and how many a second."""

    devices: int
    commands: int
    rate: float


def main() -> None:
    """Measure, print the table and write it into docs/performance.md."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.commands", description=__doc__)
    parser.add_argument("--devices", type=int, default=100)
    parser.add_argument("--commands", type=int, default=1_000, help="in each measurement")
    parser.add_argument("--rate", type=float, default=20.0, help="commands a second")
    parser.add_argument("--dry-run", action="store_true", help="print only")
    options = parser.parse_args()
    load = Load(options.devices, options.commands, options.rate)
    busy = os.getloadavg()[0]
    with (
        tempfile.TemporaryDirectory(prefix="polyfleet-bench-") as directory,
        Stand(Path(directory)) as stand,
    ):
        stand.start_service(FACADE)
        stand.start_service(SECOND_FACADE)
        one, two = (
            asyncio.run(_measure(stand, load, waiting_at)) for waiting_at in (FACADE, SECOND_FACADE)
        )
    rows = [
        *_rows("one replica", one),
        *_rows("across two replicas", two),
        Row("load of the machine before", measured=f"{busy:.1f}"),
    ]
    command = (
        f"python -m benchmarks.commands --devices {load.devices} --commands {load.commands} "
        f"--rate {load.rate:g}"
    )
    text = report.table(command, rows)
    print(text)
    if not options.dry_run:
        report.write(SECTION, text)


async def _measure(stand: Stand, load: Load, waiting_at: str) -> Tally:
    """Send the commands to the first facade while all devices wait at the facade named."""
    tally = Tally()
    plan = Plan(url=stand.url(waiting_at), devices=load.devices, dialects=("drogue",))
    machines = machines_of(plan)
    async with (
        _wire(stand.url(FACADE), tally, load) as sending,
        _wire(plan.url, tally, load) as waiting,
    ):
        people = People(sending, stand.management_token)
        await people.register(APPLICATION, machines, PASSWORD)
        speakers = [
            DrogueSpeaker(machine, waiting, _WAIT_SECONDS, APPLICATION, PASSWORD, people.posted)
            for machine in machines
        ]
        await _all_known(speakers)
        inboxes = [asyncio.create_task(_wait(speaker)) for speaker in speakers]
        try:
            await asyncio.sleep(1.0)  # until all of them wait
            await _send(people, machines, load, tally)
        finally:
            for inbox in inboxes:
                inbox.cancel()
            await asyncio.gather(*inboxes, return_exceptions=True)
    return tally


def _wire(url: str, tally: Tally, load: Load) -> Wire:
    return Wire(url, tally, concurrency=64, waiting=load.devices, rate=10_000.0)


async def _send(people: People, machines: list[Machine], load: Load, tally: Tally) -> None:
    sending: set[asyncio.Task[None]] = set()
    started = time.monotonic()
    with StepProgress("Commands", total=load.commands) as progress:
        for number, machine in zip(range(load.commands), itertools.cycle(machines), strict=False):
            await asyncio.sleep(max(0.0, started + number / load.rate - time.monotonic()))
            task = asyncio.create_task(people.order(APPLICATION, machine, "v2"))
            sending.add(task)
            task.add_done_callback(sending.discard)
            progress.advance(len(tally.deliveries))
        await asyncio.gather(*sending)
        async with asyncio.timeout(_LAST_SECONDS):
            while len(tally.deliveries) < load.commands:  # noqa: ASYNC110 - a count, no event
                await asyncio.sleep(0.05)


async def _wait(speaker: DrogueSpeaker) -> None:
    """Fetch one command after the other, and answer none."""
    told = speaker.machine.told()
    while True:
        await speaker.ask(told)


async def _all_known(speakers: list[DrogueSpeaker]) -> None:
    """Wait until the devices' replica has heard of them all."""
    for speaker in speakers:
        while not await speaker.is_known():  # noqa: ASYNC110 - it is asked over HTTP
            await asyncio.sleep(0.05)


def _rows(what: str, tally: Tally) -> list[Row]:
    [posts] = [found for route, found in tally.routes.items() if route == COMMAND]
    if tally.deliveries and posts.lost == 0 and set(posts.statuses) == {202}:
        times = tally.deliveries
        return [
            Row(
                f"command to a waiting device, {what}",
                measured=f"{len(times):,} commands",
                latency=_latency(times.quantile(0.5), times.quantile(0.99)),
            ),
            Row(
                f"its POST alone, {what}",
                measured=f"{posts.statuses.total():,} answers",
                latency=_latency(posts.durations.quantile(0.5), posts.durations.quantile(0.99)),
            ),
        ]
    raise Unreachable(f"{what}: {posts.statuses}, {posts.lost} lost")


def _latency(median: float, p99: float) -> str:
    return f"{median * 1000:.1f} / {p99 * 1000:.1f} ms"


if __name__ == "__main__":
    main()
