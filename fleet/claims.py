"""Which names an object wants for itself alone: aliases, unique user names, subjects of CAs.

A name is unique by the name of a Claim object. Aliases and user names of an application share one
space; subjects are unique everywhere.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

import msgspec

from polyfleet.fleet.device_credentials import SECTIONS
from polyfleet.fleet.instants import parse
from polyfleet.fleet.json_text import decode_shallow
from polyfleet.fleet.names import object_name
from polyfleet.fleet.objects.application import Application
from polyfleet.fleet.objects.claim import Claim
from polyfleet.fleet.objects.device import Device

YOUNG = timedelta(seconds=60)
"""For how long after it was written a claim is believed whose holder does not have the name yet."""

ClaimType = Literal["Alias", "UserName", "Subject"]


class ClaimedName(NamedTuple):
    """A name, and the application within which it is unique; empty: everywhere."""

    type: ClaimType
    value: str
    application: str

    @property
    def object_name(self) -> str:
        """The name of the Claim."""
        return object_name("Claim", self.application, self.value)


def claimed_by(holder: Device | Application) -> frozenset[ClaimedName]:
    """Return the names that the stored data of an object claims; odd data claims nothing."""
    try:
        data = decode_shallow(holder.spec.data)
    except msgspec.DecodeError:
        return frozenset()
    if isinstance(holder, Application):
        return subjects(_object(_object(data).get("status")))
    return device_names(holder.spec.application, _object(_object(data).get("spec")))


def device_names(application: str, spec: dict[str, Any]) -> frozenset[ClaimedName]:
    """Return the names that a device's structured spec claims in its application."""
    alias = spec.get("alias")
    listed = alias.get("aliases") if isinstance(alias, dict) else alias
    found: dict[str, ClaimType] = dict.fromkeys(_unique_users(spec), "UserName")
    if isinstance(listed, list):
        found.update((item, "Alias") for item in listed if isinstance(item, str) and item)
    return frozenset(ClaimedName(kind, value, application) for value, kind in found.items())


def subjects(status: dict[str, Any]) -> frozenset[ClaimedName]:
    """Return the subjects of the valid trust anchors of an application's structured status."""
    anchors = _object(status.get("trustAnchors")).get("anchors")
    names = (
        _object(_object(anchor).get("valid")).get("subject")
        for anchor in (anchors if isinstance(anchors, list) else ())
    )
    return frozenset(
        ClaimedName("Subject", name, "") for name in names if isinstance(name, str) and name
    )


def is_needed(claim: Claim, holder: Device | Application | None, now: datetime) -> bool:
    """Say whether a claim holds: its holder has the name, or may be about to write it."""
    if holder is not None and claim.spec.holder.uid in (None, holder.metadata.uid):
        wanted = {name.object_name for name in claimed_by(holder)}
        if claim.metadata.name in wanted and not _is_gone(holder):
            return True
    written = claim.metadata.changed_at or claim.metadata.creation_timestamp
    return now - parse(written) < YOUNG


def _is_gone(holder: Device | Application) -> bool:
    return holder.metadata.terminating and not holder.metadata.finalizers


def _unique_users(spec: dict[str, Any]) -> Iterator[str]:
    for section in SECTIONS:
        entries = _object(spec.get(section)).get("credentials")
        for entry in entries if isinstance(entries, list) else ():
            user = _object(_object(entry).get("user"))
            name = user.get("username")
            if user.get("unique") is True and isinstance(name, str) and name:
                yield name


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
