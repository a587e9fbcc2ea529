"""What a device reports about itself, and what several such reports say together."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from polyfleet.api.core.updates import Failure, OfferMade
from polyfleet.fleet.attributes import Attribute
from polyfleet.fleet.visible_text import visible


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one source says about a device; None leaves a part as it is."""

    source: str
    attributes: tuple[Attribute, ...] | None = None
    replaces: bool = False
    version: str | None = None
    capabilities: Mapping[str, bool] | None = None
    offered: OfferMade | None = None
    """What the device was just offered."""
    progress: int | None = None
    """How far the device is with it, in per cent."""
    failed: Failure | None = None
    """What it could not install."""


def shown(version: str | None) -> str | None:
    """Return a version as people see it in lists: a device may tell anything."""
    return None if version is None else visible(version)


def supersede(waiting: dict[str, Report], newer: Report) -> None:
    """Take out of older reports, of any source, what a device has only one of."""
    if newer.version is not None:
        for source, older in waiting.items():
            waiting[source] = replace(older, version=None)


def combined(older: Report | None, newer: Report) -> Report:
    """Return what two reports of one source say together; the newer one wins."""
    if older is None:
        return newer
    attributes = newer.attributes
    if attributes is None or older.attributes is None or newer.replaces:
        attributes = newer.attributes if newer.attributes is not None else older.attributes
    else:
        named = {attribute.name: attribute for attribute in (*older.attributes, *attributes)}
        attributes = tuple(named.values())
    return replace(
        newer,
        attributes=attributes,
        replaces=newer.replaces or older.replaces,
        version=newer.version if newer.version is not None else older.version,
        capabilities=newer.capabilities if newer.capabilities is not None else older.capabilities,
        offered=_combined_offer(older, newer),
        progress=_combined_progress(older, newer),
        failed=newer.failed if newer.offered is not None else newer.failed or older.failed,
    )


def _combined_offer(older: Report, newer: Report) -> OfferMade | None:
    """Return the latest offer; one made again is the one made first, unless that had failed.

    If it is another Rollout that makes it again, it is that one's from then on.
    """
    before, after = older.offered, newer.offered
    if before is None or after is None or not _is_again(older, newer):
        return after or before
    if after.rollout_uid is None:
        return before
    return before._replace(rollout=after.rollout, rollout_uid=after.rollout_uid)


def _is_again(older: Report, newer: Report) -> bool:
    before, after = older.offered, newer.offered
    same = before is not None and after is not None and before.package == after.package
    return same and older.failed is None


def _combined_progress(older: Report, newer: Report) -> int | None:
    """Return the latest progress; a new offer begins again."""
    if newer.progress is not None:
        return newer.progress
    return older.progress if newer.offered is None or _is_again(older, newer) else None
