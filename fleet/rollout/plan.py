"""What a plan is known by, and the fixed order in which it goes through the devices."""

import hashlib
import json
from hashlib import blake2b
from typing import Any

import msgspec

from polyfleet.fleet.objects.rollout import RolloutSpec

SHORT = 8
"""So many characters of a digest are enough for people to name a plan."""

_SPARE = 64 - 53
_PLACES = 1 << 53
_DIGEST_LENGTH = 32
_SEED_LENGTH = 16


def plan_digest(spec: RolloutSpec) -> str:
    """Return the digest of package, targets and steps, 32 hexadecimal characters.

    A plan binds only while the spec has its digest. What is left out and what is given as its
    default count alike.
    """
    content = [spec.package, _written(spec.targets), [_written(step) for step in spec.steps]]
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST_LENGTH]


def seed_for(rollout_uid: str, package: str) -> str:
    """Return what the order of devices is drawn with.

    It stays the same when the plan changes or the status is lost, so that those who came first
    do so again; another package, or another rollout, has another order.
    """
    return hashlib.sha256(f"{rollout_uid}/{package}".encode()).hexdigest()[:_SEED_LENGTH]


def position(seed: str, application: str, device_id: str) -> float:
    """Return where the device stands, above 0 and below 1: fair, fixed, the same everywhere."""
    text = f"{len(application)}:{application}{device_id}"
    key = seed.encode()[:64]
    drawn = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8, key=key).digest()
    # Not 0: that is the frontier of a step that reaches nobody.
    return (int.from_bytes(drawn) >> _SPARE or 1) / _PLACES


def promotion(digest: str, step: int) -> str:
    """Return what a person writes to `spec.promoted` to end the wait after a step (from 1 on)."""
    return f"{digest[:SHORT]}/{step}"


def promoted_step(promoted: str | None, digest: str) -> int:
    """Return up to which step of that plan a person ended the waits; 0 if none."""
    plan, _, number = (promoted or "").partition("/")
    return int(number) if plan == digest[:SHORT] and number.isdecimal() else 0


def _written(part: Any) -> Any:
    return _without_defaults(msgspec.to_builtins(part))


def _without_defaults(value: Any) -> Any:
    """Leave out what is absent; of an empty object, and of an absent one, the first stays."""
    if isinstance(value, dict):
        return {
            key: _without_defaults(item)
            for key, item in value.items()
            if item is not None and item not in ([], {})
        }
    if isinstance(value, list):
        return [_without_defaults(item) for item in value]
    return value
