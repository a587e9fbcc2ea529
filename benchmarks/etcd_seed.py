"""Puts very many Device objects where kube-apiserver keeps them, without asking it 200,000 times.

One device is made through kube-apiserver; what it stored in etcd is the pattern by which the
others are written there. Nothing is measured meanwhile, and all that is measured later reads
them through kube-apiserver like any others.
"""

import base64
import copy
import itertools
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import httpx
import orjson

from benchmarks.devices import FleetDevice
from polyfleet.local.components import etcd_socket
from polyfleet.local.progress import StepProgress
from polyfleet.simulator.keys import KeyPool

_PREFIX = "/registry/polyfleet.dev/devices/"
_IN_ONE_TRANSACTION = 100
_SECONDS = 120.0


class EtcdSeed:
    """The etcd of a control plane that keeps its files in `directory`."""

    def __init__(self, directory: Path, namespace: str) -> None:
        self._socket = etcd_socket(directory)
        self._prefix = f"{_PREFIX}{namespace}/"

    def write(self, pattern: str, devices: Sequence[FleetDevice], keys: KeyPool) -> int:
        """Write the devices as kube-apiserver would, by the one of the name `pattern`.

        Return the revision of the store then.
        """
        transport = httpx.HTTPTransport(uds=str(self._socket))
        with (
            httpx.Client(base_url="http://etcd", transport=transport, timeout=_SECONDS) as etcd,
            StepProgress(f"{len(devices):,} devices into etcd", total=len(devices)) as progress,
        ):
            stored = self._read(etcd, pattern)
            done = revision = 0
            for group in _in_groups(devices):
                revision = self._put(etcd, [_object(stored, device, keys) for device in group])
                done += len(group)
                progress.advance(done)
            return revision

    def _read(self, etcd: httpx.Client, name: str) -> dict[str, Any]:
        question = {"key": _encoded(f"{self._prefix}{name}".encode())}
        answer = etcd.post("/v3/kv/range", json=question).raise_for_status().json()
        found: dict[str, Any] = orjson.loads(base64.b64decode(answer["kvs"][0]["value"]))
        return found

    def _put(self, etcd: httpx.Client, documents: Iterable[dict[str, Any]]) -> int:
        puts = [
            {
                "requestPut": {
                    "key": _encoded(f"{self._prefix}{document['metadata']['name']}".encode()),
                    "value": _encoded(orjson.dumps(document)),
                }
            }
            for document in documents
        ]
        answer = etcd.post("/v3/kv/txn", content=orjson.dumps({"success": puts}))
        return int(answer.raise_for_status().json()["header"]["revision"])


def _object(stored: dict[str, Any], device: FleetDevice, keys: KeyPool) -> dict[str, Any]:
    made = device.document(keys)
    document = copy.copy(stored)
    # What the pattern has beside: the defaults of the schema, the record of who wrote what.
    document["metadata"] = stored["metadata"] | made["metadata"] | {"uid": str(uuid.uuid4())}
    document["spec"] = stored["spec"] | made["spec"]
    document["status"] = stored["status"] | device.status()["status"]
    return document


def _in_groups(devices: Sequence[FleetDevice]) -> Iterable[Sequence[FleetDevice]]:
    for start in itertools.count(0, _IN_ONE_TRANSACTION):
        group = devices[start : start + _IN_ONE_TRANSACTION]
        if not group:
            return
        yield group


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()
