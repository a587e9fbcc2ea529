"""The measurements."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import httpx

from benchmarks import messages
from benchmarks.devices import FleetDevice
from benchmarks.fleet import Fleet
from benchmarks.load import Outcome
from benchmarks.processes import Usage
from benchmarks.stand import FACADE, NAMESPACE, Stand
from polyfleet.local.control_plane import API_SERVER
from polyfleet.local.progress import StepProgress

MEASURED_SECONDS = 10.0
CREATED = 2_000

_RAW, _ENROLLED = 3_000_000, 5_000_000
_SEEN_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Rate:
    """How many requests a process answered, how fast, and what that cost."""

    process: str
    outcome: Outcome
    usage: Usage

    @property
    def per_cpu_second(self) -> float:
        """Requests by each CPU second that the process used meanwhile."""
        return self.outcome.answered / self.usage.cpu[self.process]

    @property
    def cpu_milliseconds(self) -> float:
        """CPU milliseconds of the process by request."""
        return 1000 / self.per_cpu_second

    @property
    def per_second(self) -> float:
        """Requests a second, with the load generator on the same cores."""
        return self.outcome.answered / self.outcome.seconds


def check_updates(fleet: Fleet, stand: Stand) -> tuple[Rate, Rate]:
    """Measure RDFM update/check: nothing new (204), and an offer (200)."""
    tokens = fleet.tokens()

    def rate(status: str, devices: Sequence[FleetDevice]) -> Rate:
        def requests() -> Iterator[bytes]:
            return (messages.check_update(device, tokens[device.name]) for device in devices)

        return _facade_rate(stand, f"update/check, {status}", requests, status)

    return rate("204", fleet.current()), rate("200", fleet.outdated())


def authorize(fleet: Fleet, stand: Stand) -> Rate:
    """Measure RDFM device authorization: each device once to warm up, then each once more."""
    title = "device authorization"
    for timestamp in (1_772_366_400, 1_772_366_700):
        with StepProgress("Signatures", total=len(fleet.devices)) as progress:
            requests = []
            for device in fleet.devices:
                requests.append(messages.authorize_device(device, fleet.keys, timestamp))
                progress.advance(len(requests))
        outcome, usage = stand.load_facade(title, requests, expect={"200"})
    return Rate(FACADE, outcome, usage)


def read_one(fleet: Fleet, stand: Stand) -> tuple[Rate, Rate]:
    """Measure reading one device: over RDFM, and by a GET from kube-apiserver."""
    ours = _facade_rate(
        stand,
        "read one device",
        lambda: (messages.show_device(device, stand.management_token) for device in fleet.devices),
        "200",
    )
    outcome, usage = stand.load_api_server(
        "read one device, kube-apiserver",
        (messages.get_object(device, stand.api_token, NAMESPACE) for device in fleet.devices),
        expect={"200"},
        repeat_seconds=MEASURED_SECONDS,
    )
    return ours, Rate(API_SERVER, outcome, usage)


def create(fleet: Fleet, stand: Stand) -> tuple[Rate, Rate, Rate]:
    """Measure creations: raw ones on kube-apiserver, enrollments, acceptances."""
    raw = fleet.create("creations, kube-apiserver", fleet.strangers(_RAW, CREATED))
    strangers = fleet.strangers(_ENROLLED, CREATED)
    enrolled = stand.load_facade(
        "enrollments",
        [messages.authorize_device(device, fleet.keys, 1_772_366_400) for device in strangers],
        expect={"401"},
    )
    accepted = stand.load_facade(
        "acceptances",
        [
            messages.accept_device(device, fleet.keys, stand.management_token)
            for device in strangers
        ],
        expect={"200"},
    )
    return Rate(API_SERVER, *raw), Rate(FACADE, *enrolled), Rate(FACADE, *accepted)


def wait_until_seen(fleet: Fleet, stand: Stand) -> None:
    """Wait until the facade knows the last device that was created."""
    deadline = time.monotonic() + _SEEN_SECONDS
    headers = messages.bearer(stand.management_token)
    path = f"/api/v1/devices/{fleet.devices[-1].number}"
    with (
        StepProgress("Facade hears of the devices"),
        httpx.Client(base_url=stand.facade_url, headers=headers, trust_env=False) as client,
    ):
        while client.get(path).status_code != httpx.codes.OK:
            if time.monotonic() > deadline:
                raise TimeoutError(f"the facade does not hear of {path}")
            time.sleep(0.1)


def _facade_rate(
    stand: Stand, title: str, requests: Callable[[], Iterable[bytes]], status: str
) -> Rate:
    """Send every request once to warm up, then all of them again and again, measured."""
    stand.load_facade(f"{title}, warming up", requests(), expect={status})
    outcome, usage = stand.load_facade(
        title, requests(), expect={status}, repeat_seconds=MEASURED_SECONDS
    )
    return Rate(FACADE, outcome, usage)
