"""How much memory, and how much time, 100,000 devices cost in a process that caches them.

    python benchmarks/store_memory.py [devices]

The devices have real size: an RSA-2048 key, ten reported attributes, labels. No API server is
needed: the pages are made here, byte for byte as one would send them, and read by the code that
reads real ones.
"""

import base64
import gc
import json
import random
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.kinds import DEVICES
from polyfleet.kube.codec import codec_of
from polyfleet.kube.store import Store

PAGE = 500
_KEY_BYTES = 294


def public_key(source: random.Random) -> str:
    text = base64.b64encode(source.randbytes(_KEY_BYTES)).decode()
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return "\n".join(["-----BEGIN PUBLIC KEY-----", *lines, "-----END PUBLIC KEY-----", ""])


def device(number: int, source: random.Random) -> dict[str, object]:
    name = f"dev-{number:06d}"
    stamp = f"2026-11-{1 + number % 28:02d}T10:{number % 60:02d}:{number // 60 % 60:02d}"
    enrolled = [
        {"name": f"attribute_{index}", "value": {"string": f"value {number}"}} for index in range(3)
    ]
    reported = [
        {
            "name": f"attribute_{index}",
            "value": {"string": f"value {source.randrange(10**9)}"},
            "source": "inventory",
            "at": f"{stamp}Z",
        }
        for index in range(10)
    ]
    return {
        "apiVersion": "polyfleet.dev/v1alpha1",
        "kind": "Device",
        "metadata": {
            "name": f"default.{name}",
            "namespace": "polyfleet",
            "uid": str(uuid.UUID(int=source.getrandbits(128))),
            "resourceVersion": str(1000 + number),
            "generation": 1,
            "creationTimestamp": f"{stamp}Z",
            "labels": {
                "polyfleet.dev/application": "default",
                "polyfleet.dev/serial": str(number + 1),
                "attr.polyfleet.dev/region": f"region-{number % 20}",
                "group.polyfleet.dev/default.canary": f"{number % 1000:08x}.1763800000000000",
            },
            "managedFields": [
                {
                    "manager": "polyfleet-facade",
                    "operation": "Update",
                    "apiVersion": "polyfleet.dev/v1alpha1",
                    "time": f"{stamp}Z",
                    "fieldsType": "FieldsV1",
                    "fieldsV1": {"f:spec": {".": {}, "f:application": {}, "f:deviceId": {}}},
                }
            ],
        },
        "spec": {
            "application": "default",
            "deviceId": name,
            "createdAt": f"{stamp}.{number % 10**6:06d}Z",
            "publicKeys": [public_key(source)],
            "enrolled": {"at": f"{stamp}Z", "metadata": enrolled},
            "hold": False,
            "disabled": False,
        },
        "status": {
            "software": {"version": f"v{number % 5}", "at": f"{stamp}Z"},
            "reported": reported,
            "lastSeen": f"{stamp}Z",
        },
    }


def pages(devices: int) -> Iterator[bytes]:
    source = random.Random(1)
    for start in range(0, devices, PAGE):
        items = [device(n, source) for n in range(start, min(start + PAGE, devices))]
        listing = {"metadata": {"resourceVersion": "9000000"}, "items": items}
        yield json.dumps(listing, separators=(",", ":")).encode()


def resident() -> int:
    fields = Path("/proc/self/statm").read_text(encoding="ascii").split()
    return int(fields[1]) * 4096


def load(store: Store[Device], devices: int) -> tuple[float, int]:
    """Read all pages into the store; return seconds spent reading them, and their bytes."""
    spent, size = 0.0, 0
    items: list[Device] = []
    for page in pages(devices):
        size += len(page)
        started = time.process_time()
        items += [store.admit(item) for item in codec_of(DEVICES).page(page).items]
        spent += time.process_time() - started
    started = time.process_time()
    store.replace_all(items, "9000000")
    return spent + time.process_time() - started, size


def main() -> None:
    devices = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    for _ in pages(PAGE):
        gc.collect()
    before = resident()
    store = Store(DEVICES)
    store.in_serial_order()
    store.add_index("application", lambda item: (item.spec.application,))
    store.add_index("device id", lambda item: (item.spec.device_id,))
    seconds, size = load(store, devices)
    gc.collect()
    once = resident()
    print(f"devices                  {devices:>10,}")
    print(f"bytes on the wire each   {size / devices:>10,.0f}")
    print(f"bytes kept each          {(once - before) / devices:>10,.0f}")
    print(f"process                  {once / 2**20:>10,.0f} MiB")
    print(f"read                     {devices / seconds:>10,.0f} a CPU-second")
    seconds, _ = load(store, devices)
    gc.collect()
    print(f"read again, unchanged    {devices / seconds:>10,.0f} a CPU-second")
    print(f"process after that       {resident() / 2**20:>10,.0f} MiB")


if __name__ == "__main__":
    main()
