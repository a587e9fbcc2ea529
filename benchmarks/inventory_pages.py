"""What a page of the device inventory costs: requests a CPU-second of the serving process.

    python -m benchmarks.inventory_pages [devices ...]

A process serves the Mender dialect over loopback HTTP from stores filled with made-up devices of
real size (a key, twelve attributes): no API server is needed, for no read asks it. Reach: 1,500 a
CPU-second for each kind of page, at 10,000 and 100,000 devices.
"""

import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import httpx
import psutil
import uvicorn
import uvloop

from benchmarks.load import Outcome, Plan, write_requests
from benchmarks.messages import bearer, json_request, request
from benchmarks.processes import Watched
from benchmarks.store_memory import public_key
from polyfleet.api.__main__ import bind
from polyfleet.api.core.catalogue import CatalogueSource
from polyfleet.api.core.facade import Facade
from polyfleet.api.core.identity import access_tokens
from polyfleet.api.core.identity.authenticator import Identity
from polyfleet.api.core.identity.clock import wall_clock
from polyfleet.api.core.identity.settings import IdentitySettings
from polyfleet.api.core.identity.signing_keys import KeyRing, SigningKeys
from polyfleet.api.core.metrics import RequestMetrics
from polyfleet.api.dialects.inventory.app import PREFIXES, create_dialect
from polyfleet.api.dispatcher import Dispatcher
from polyfleet.api.protocol import BoundedProtocol
from polyfleet.api.settings import Settings
from polyfleet.api.startup import CACHED
from polyfleet.fleet.membership import label_key, member_value
from polyfleet.fleet.objects.application import Application, ApplicationSpec
from polyfleet.fleet.objects.group import DeviceGroup, DeviceGroupSpec
from polyfleet.fleet.objects.kinds import DEVICES
from polyfleet.fleet.objects.metadata import SERIAL_LABEL, ObjectMeta
from polyfleet.fleet.objects.user import AccessToken, AccessTokenSpec, User, UserSpec
from polyfleet.kube.cache import Cache
from polyfleet.kube.client import Client
from polyfleet.kube.codec import codec_of

SIZES = (10_000, 100_000)
SECONDS = 6.0
CONNECTIONS = 16
REACH = 1_500
GROUPS = 100
SITES, HALLS = 97, 7
_BASE = "/api/management/v1/inventory"
_AT = "2026-03-01T12:00:00.000000Z"
_PAGE = 500
_ROOT = Path(__file__).resolve().parents[1]


def group(number: int) -> DeviceGroup:
    name = f"group-{number}"
    return DeviceGroup(
        metadata=ObjectMeta(
            name=name, uid=f"uid-{name}", resource_version="1", labels={SERIAL_LABEL: str(number)}
        ),
        spec=DeviceGroupSpec(application="default", name=name),
    )


def told(number: int) -> dict[str, Any]:
    return {
        "device_type": {"string": f"model-{number % 20}"},
        "hostname": {"string": f"gateway-{number * 7919 % 1_000_003}"},
        "mac": {"string": f"02:00:00:{number >> 16 & 255:02x}:{number >> 8 & 255:02x}"},
        "site": {"string": f"site-{number % SITES}"},
        "hall": {"number": number // SITES % HALLS},
        "mem_total_kB": {"number": 524_288 * (1 + number % 8)},
        "cpu_load": {"number": number * 31 % 1000 / 1000},
        "kernel": {"string": "6.12.17-yocto-standard #1 SMP PREEMPT"},
        "artifact_name": {"string": f"release-{number % 5}"},
        "ipv4": {"strings": [f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}/24"]},
        "ports": {"numbers": [22, 8000 + number % 100]},
        "firmware": {"string": f"v{number % 3}.{number % 11}"},
    }


def device(number: int, key: str) -> dict[str, Any]:
    home = group(number % GROUPS)
    name = f"dev-{number:06d}"
    born = f"2026-03-01T{number // 3600 % 24:02d}:{number // 60 % 60:02d}:{number % 60:02d}"
    return {
        "metadata": {
            "name": f"default.{name}",
            "uid": f"0d3c8f2e-0000-4000-8000-{number:012x}",
            "resourceVersion": str(1000 + number),
            "creationTimestamp": f"{born}Z",
            "labels": {
                "polyfleet.dev/application": "default",
                SERIAL_LABEL: str(number + 1),
                label_key(home.metadata.name): member_value(home, 1),
            },
        },
        "spec": {
            "application": "default",
            "deviceId": name,
            "createdAt": f"{born}.{number % 1_000_000:06d}Z",
            "publicKeys": [key],
        },
        "status": {
            "reported": [
                {"name": name, "value": value, "source": "inventory", "at": _AT}
                for name, value in told(number).items()
            ]
        },
    }


def fill(cache: Cache, devices: int) -> str:
    """Fill the stores; return an administrator's access token."""
    meta = ObjectMeta(name="default", uid="uid-default", resource_version="1")
    cache.applications.apply(Application(metadata=meta, spec=ApplicationSpec(name="default")))
    for number in range(GROUPS):
        cache.groups.apply(group(number))
    key = public_key(random.Random(1))
    items = []
    for start in range(0, devices, _PAGE):
        page = [device(number, key) for number in range(start, min(start + _PAGE, devices))]
        body = json.dumps({"metadata": {"resourceVersion": "9000000"}, "items": page}).encode()
        items += [cache.devices.admit(item) for item in codec_of(DEVICES).page(body).items]
    cache.devices.replace_all(items, "9000000")
    spec = UserSpec(name="ada", administrator=True)
    user = User(metadata=ObjectMeta(name="ada", uid="uid-ada", resource_version="1"), spec=spec)
    token = access_tokens.generate()
    kept = AccessTokenSpec(user="ada", user_uid="uid-ada", prefix=token.prefix, hash=token.hash)
    cache.users.apply(user)
    cache.access_tokens.apply(AccessToken(metadata=meta, spec=kept))
    return token.text


async def serve(devices: int) -> None:
    """Serve until the process is ended; tell address and token on standard output."""
    unlimited = {"limits": {"calls_burst": 1_000_000_000}}
    settings = Settings(port=0, identity=IdentitySettings.model_validate(unlimited))
    cache = Cache(cast("Client", None), CACHED)
    token = fill(cache, devices)
    keys = SigningKeys(cast("Client", None))
    keys._ring = KeyRing("key-1", {"key-1": bytes(32)})  # noqa: SLF001 - else read from a cluster
    nothing = cast("Any", None)
    facade = Facade(
        settings=settings,
        client=nothing,
        cache=cache,
        writer=nothing,
        serials=nothing,
        identity=Identity(settings, nothing, cache, keys),
        artifacts=nothing,
        links=nothing,
        activity=nothing,
        appearances=nothing,
        reports=nothing,
        members=nothing,
        offers=CatalogueSource(cache),
        decisions=nothing,
        clock=wall_clock,
    )
    dispatcher = Dispatcher(RequestMetrics())
    dispatcher.mount("inventory", create_dialect(facade), PREFIXES)
    listener = bind(settings.host, 0)
    listener.listen()
    config = uvicorn.Config(
        dispatcher,
        loop="uvloop",
        http=BoundedProtocol,
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
    )
    print(json.dumps({"port": listener.getsockname()[1], "token": token}), flush=True)
    # Nobody reads on: the log would fill the pipe and stop everything.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    await uvicorn.Server(config).serve(sockets=[listener])


def plans(devices: int, headers: dict[str, str]) -> dict[str, list[bytes]]:
    """Return the requests of each figure: many different ones, none of them only once."""

    def get(path: str) -> bytes:
        return request("GET", f"{_BASE}/{path}", headers)

    def search(document: Any) -> bytes:
        return json_request(
            "POST", "/api/management/v2/inventory/filters/search", document, headers
        )

    pages = devices // 20
    some = range(1, pages, max(1, pages // 1000))
    names = [f"dev-{number:06d}" for number in range(0, devices, max(1, devices // 5000))]
    sites = range(SITES)
    return {
        "one device": [get(f"devices/{name}") for name in names],
        "page of 20, plain": [get(f"devices?per_page=20&page={page}") for page in some],
        "page of 20, one filter": [
            get(f"devices?per_page=20&page={page}&site=site-{site}")
            for site in sites
            for page in (1, 2, 3)
        ],
        "page of 20, two filters": [
            get(f"devices?per_page=20&site=site-{site}&hall={hall}")
            for site in sites[:35]
            for hall in range(HALLS)
        ],
        "page of 20, sorted": [
            get(f"devices?per_page=20&page={page}&sort={quote(sort)}")
            for page in some
            for sort in ("hostname:asc", "cpu_load:desc,hostname:asc")
        ],
        "page of 20, a group's devices": [
            get(f"groups/group-{number}/devices?per_page=20&page={page}")
            for number in range(GROUPS)
            for page in (1, 2)
        ],
        "page of 20, devices in a group": [
            get(f"devices?per_page=20&page={page}&group=group-{number}")
            for number in range(GROUPS)
            for page in (1, 2)
        ],
        "search: two filters, sorted": [
            search(
                {
                    "per_page": 20,
                    "filters": [
                        {
                            "scope": "inventory",
                            "attribute": "site",
                            "type": "$eq",
                            "value": f"site-{site}",
                        },
                        {
                            "scope": "inventory",
                            "attribute": "cpu_load",
                            "type": "$gte",
                            "value": 0.5,
                        },
                    ],
                    "sort": [{"scope": "inventory", "attribute": "hostname", "order": "asc"}],
                }
            )
            for site in sites
        ],
        "list of groups": [get("groups")],
    }


def measure(devices: int) -> bool:
    """Print the figures for so many devices; return whether all reach."""
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.inventory_pages", "serve", str(devices)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=_ROOT,
    ) as server:
        try:
            told_ = json.loads(cast("Any", server.stdout).readline())
            return _measure(devices, server.pid, told_["port"], told_["token"])
        finally:
            server.terminate()


def _measure(devices: int, pid: int, port: int, token: str) -> bool:
    url = f"http://127.0.0.1:{port}"
    watched = Watched()
    watched.watch("server", pid)
    print(f"{devices:,} devices; {psutil.Process(pid).memory_info().rss / 2**20:.0f} MiB at first")
    reached = True
    for title, requests in plans(devices, dict(bearer(token))).items():
        first = _first(url, requests[0])
        _load(url, requests, repeat=False)
        with watched.measured() as usage:
            outcome = _load(url, requests, repeat=True)
        rate = outcome.answered / usage.cpu["server"]
        reached = reached and rate >= REACH
        print(
            f"  {title:32} {rate:8,.0f} a CPU-second   first {first * 1000:7.1f} ms"
            f"   p99 {outcome.p99 * 1000:6.1f} ms   {len(requests)} different"
        )
    print(f"  {watched.resident()['server'] / 2**20:.0f} MiB in the end", flush=True)
    return reached


def _first(url: str, sent: bytes) -> float:
    """Return the seconds that the first request takes, which may build an index."""
    line, _, rest = sent.partition(b"\r\n")
    method, path, _ = line.decode().split(" ")
    head, _, body = rest.partition(b"\r\n\r\n")
    headers = dict(field.split(": ", 1) for field in head.decode().split("\r\n"))
    with httpx.Client(base_url=url, trust_env=False, timeout=120.0) as client:
        client.get("/nothing")
        started = time.perf_counter()
        reply = client.request(method, path, content=body, headers=headers)
        seconds = time.perf_counter() - started
    reply.raise_for_status()
    return seconds


def _load(url: str, requests: list[bytes], *, repeat: bool) -> Outcome:
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "requests"
        write_requests(file, iter(requests))
        plan = Plan(url, str(file), CONNECTIONS, repeat=repeat, seconds=SECONDS if repeat else 600)
        planned = Path(directory) / "plan.json"
        planned.write_text(json.dumps(asdict(plan)))
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.load", str(planned)],
            check=True,
            capture_output=True,
            text=True,
            cwd=_ROOT,
        )
    outcome = Outcome(**json.loads(done.stdout.splitlines()[-1])["outcome"])
    if outcome.errors or set(outcome.statuses) != {"200"}:
        raise RuntimeError(f"unexpected answers: {outcome.statuses}, {outcome.errors} lost")
    return outcome


def main() -> int:
    if sys.argv[1:2] == ["serve"]:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(int(sys.argv[2])))
        return 0
    sizes = [int(text) for text in sys.argv[1:]] or SIZES
    reached = [measure(size) for size in sizes]
    return 0 if all(reached) else 1


if __name__ == "__main__":
    sys.exit(main())
