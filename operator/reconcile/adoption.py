"""What every object gets that somebody made by hand: a serial, its labels, the finalizer."""

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any

from polyfleet.fleet.names import application_label
from polyfleet.fleet.objects.metadata import APPLICATION_LABEL, FINALIZER, SERIAL_LABEL, ObjectMeta
from polyfleet.fleet.serials import Numbered, renumbered


class SerialNeed(Enum):
    """What is to happen about an object's serial."""

    KEEP = "keep"
    RESTORE = "restore"
    DRAW = "draw"


def serial_need(item: Numbered, claimants: Iterable[Numbered]) -> SerialNeed:
    """Decide about an object's serial; `claimants` are the objects that have the same one.

    A label that says anything else than the status was changed by hand, and is put back.
    """
    losers = {loser.metadata.uid for loser in renumbered(claimants)}
    if item.serial is None or item.metadata.uid in losers:
        return SerialNeed.DRAW
    same = item.metadata.labels.get(SERIAL_LABEL) == str(item.serial)
    return SerialNeed.KEEP if same else SerialNeed.RESTORE


def label_changes(metadata: ObjectMeta, wanted: Mapping[str, str | None]) -> dict[str, str | None]:
    """Return those of the wanted labels that are not there yet; None takes one away."""
    return {key: value for key, value in wanted.items() if metadata.labels.get(key) != value}


def metadata_patch(
    metadata: ObjectMeta,
    *,
    application: str | None = None,
    serial: int | None = None,
    finalizer: bool = False,
    labels: Mapping[str, str | None] | None = None,
) -> dict[str, Any] | None:
    """Return the merge patch for the metadata; None if all is there.

    A serial of None leaves the one that is there.
    """
    wanted = dict(labels or {})
    if application is not None:
        wanted[APPLICATION_LABEL] = application_label(application)
    if serial is not None:
        wanted[SERIAL_LABEL] = str(serial)
    changed: dict[str, Any] = {}
    if changes := label_changes(metadata, wanted):
        changed["labels"] = changes
    if finalizer and FINALIZER not in metadata.finalizers and not metadata.terminating:
        changed["finalizers"] = [*metadata.finalizers, FINALIZER]
    return {"metadata": changed} if changed else None


def release_patch(metadata: ObjectMeta) -> dict[str, Any] | None:
    """Return the merge patch that lets a deleted object go; None if we do not hold it."""
    if FINALIZER not in metadata.finalizers:
        return None
    others = [name for name in metadata.finalizers if name != FINALIZER]
    return {"metadata": {"finalizers": others or None}}
