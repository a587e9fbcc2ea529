"""What the operator remembers of workloads, to ask and write less; all of it can be lost."""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from polyfleet.fleet.objects.workload import OwnedMeta
from polyfleet.fleet.workloads.processes import ReleaseValues
from polyfleet.kube.versions import version_number

_MOST_CONFIGURATIONS = 4096


class _Applied(NamedTuple):
    digest: bytes
    uid: str
    version: int
    at: float


class WorkloadMemory:
    """Which objects were applied as they are, and the names of the variables of configurations."""

    def __init__(self) -> None:
        self._applied: dict[tuple[str, str], _Applied] = {}
        self._values: OrderedDict[str, ReleaseValues] = OrderedDict()

    def is_applied(
        self,
        kind: str,
        body: Mapping[str, Any],
        live: OwnedMeta | None,
        *,
        seconds: float,
    ) -> bool:
        """Say whether the body was applied in the last seconds and the object is still like that.

        `live` is the object as the cache has it; None if the kind is not watched.
        """
        found = self._applied.get((kind, body["metadata"]["name"]))
        if found is None or found.digest != _digest(body):
            return False
        if time.monotonic() - found.at > seconds:
            return False
        return live is None or (live.uid == found.uid and _version(live) <= found.version)

    def applied(self, kind: str, body: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
        """Remember that the body was applied, and what the API server answered."""
        metadata = msgspec.convert(answer["metadata"], OwnedMeta)
        entry = _Applied(_digest(body), metadata.uid, _version(metadata), time.monotonic())
        self._applied[kind, body["metadata"]["name"]] = entry

    def forget(self, kind: str, name: str) -> None:
        """Forget an object that is deleted."""
        self._applied.pop((kind, name), None)

    def values(self, secret: str) -> ReleaseValues | None:
        """Return what is known of a configuration, whose Secret never changes."""
        return self._values.get(secret)

    def remember_values(self, secret: str, values: ReleaseValues) -> None:
        """Remember a configuration; of very many the first are forgotten."""
        self._values[secret] = values
        if len(self._values) > _MOST_CONFIGURATIONS:
            self._values.popitem(last=False)


def _version(metadata: OwnedMeta) -> int:
    """Return what changes with the object: its generation, or else its version."""
    # Deployments and Ingresses change their status all the time, which is not ours to repair.
    return metadata.generation or version_number(metadata.resource_version)


def _digest(body: Mapping[str, Any]) -> bytes:
    return hashlib.sha256(msgspec.json.encode(body, order="sorted")).digest()
