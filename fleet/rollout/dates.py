"""Since when a device is what it is: told by dates that Kubernetes and labels keep anyway.

Each answer is an upper bound: a device is certainly a target since then. Who cannot be dated
counts as having come late.
"""

import hashlib
from datetime import datetime
from functools import lru_cache

import msgspec

from polyfleet.fleet import membership, selectors
from polyfleet.fleet.objects.group import DatedSelector, DeviceGroup, LabelSelector
from polyfleet.fleet.objects.metadata import ObjectMeta

MARGIN = 3_000_000
"""Microseconds: who came in the last moments before a step opened may not have been counted.

Bounds are exact while the clocks of API server and operator agree, and the operator's watch is
up to date, within this time.
"""

_LONGEST_CHANGE = 3_600_000_000
"""Microseconds after which a change of many members is over: joining counts from its end."""

_REMEMBERED = 16_384
_DIGEST_LENGTH = 16
_encode = msgspec.json.Encoder(order="sorted").encode


def datable(selector: LabelSelector | None) -> bool:
    """Say whether one can tell since when a selector matches.

    Kubernetes keeps no date of a label that was taken away, so absence cannot be dated.
    """
    if selector is None:
        return True
    return all(part.operator in {"In", "Exists"} for part in selector.match_expressions)


def labels_since(device: ObjectMeta) -> int | None:
    """Return since when, in microseconds since 1970, the labels are what they are."""
    return _microseconds(device.labelled_at or device.creation_timestamp)


def matching_since(device: ObjectMeta, selector: LabelSelector | None) -> int | None:
    """Return since when the selector matches a device that it matches now; None: who knows."""
    return labels_since(device) if datable(selector) else None


def member_since(device: ObjectMeta, group: DeviceGroup) -> int | None:
    """Return since when a device of the group's application is in it; None if nobody can tell."""
    changed = labels_since(device)
    found = membership.membership_of(device.labels, group.metadata.name)
    known: list[int | None] = []
    if found is not None and found.incarnation == membership.incarnation(group.metadata.uid):
        if found.state == "member":
            over = found.joined_at + _LONGEST_CHANGE
            known.append(over if changed is None else min(changed, over))
        elif found.state == "leaving" and not membership.is_committed(group, found.change):
            known.append(found.joined_at + _LONGEST_CHANGE)
        elif found.state == "joining":
            known += [
                _microseconds(change.deadline)
                for change in group.status.changes
                if change.id == found.change and change.committed
            ]
    selector = group.spec.selector
    if selector is not None and datable(selector) and selectors.matches(selector, device.labels):
        # The selector itself may have been another one before.
        of_group = _microseconds(selector_since(group))
        known.append(None if changed is None or of_group is None else max(changed, of_group))
    return min((since for since in known if since is not None), default=None)


def dated_selector(group: DeviceGroup) -> DatedSelector | None:
    """Return what the group's status should say of its selector; None if there is none to date.

    Kept there, because whatever is written to the group moves the only date that Kubernetes has.
    """
    since = selector_since(group)
    if group.spec.selector is None or not since:
        return None
    return DatedSelector(digest=_digest(_encode(group.spec.selector)), since=since)


def selector_since(group: DeviceGroup) -> str:
    """Return when the selector was another one at the latest; empty if that does not matter."""
    selector, known = group.spec.selector, group.status.selector
    if selector is None:
        return ""
    if known is not None and known.digest == _digest(_encode(selector)):
        return known.since
    return group.metadata.changed_at or group.metadata.creation_timestamp


@lru_cache(maxsize=_REMEMBERED)
def _digest(selector: bytes) -> str:
    return hashlib.sha256(selector).hexdigest()[:_DIGEST_LENGTH]


@lru_cache(maxsize=_REMEMBERED)
def _microseconds(text: str) -> int | None:
    try:
        # Quicker than by way of another instant in UTC, and as exact for thousands of years.
        return round(datetime.fromisoformat(text).timestamp() * 1_000_000) if text else None
    except ValueError:
        return None
