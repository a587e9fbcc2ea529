"""The environment that somebody without a REST API keeps in a Secret, and to whom it is given."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from polyfleet.fleet.objects.application import Application
from polyfleet.fleet.objects.metadata import GROUP

GIVEN_TO_ANNOTATION = f"{GROUP}/given-to"
"""On such a Secret: the uid of the one Application to which it is given, whoever made that."""

_NAMESPACE = uuid.UUID("4a0f8d0e-52f5-5c0b-9a5e-6f6c79666c74")


@dataclass(frozen=True, slots=True)
class Given:
    """What such a Secret holds, one key a variable, and its uid."""

    values: Mapping[str, str]
    secret_uid: str

    @property
    def uuid(self) -> str:
        """The uuid of the configuration: the same values of the same Secret, the same uuid.

        Releases show it to people who may not see the values. The uid of the Secret, which no API
        shows, keeps them from trying guesses against it.
        """
        text = msgspec.json.encode(self.values, order="sorted").decode()
        return str(uuid.uuid5(_NAMESPACE, f"{self.secret_uid}\n{text}"))


NOTHING_GIVEN = Given({}, "")
"""For who has no such Secret."""


def is_given_to(application: Application, metadata: Mapping[str, Any]) -> bool:
    """Say whether a Secret with the application's name in its own is meant for it.

    People choose names over REST, so a name proves nothing there: such an Application has a
    `createdAt`, which cannot be taken off, and gets a Secret only if that says its uid.
    """
    annotations = metadata.get("annotations") or {}
    uid = annotations.get(GIVEN_TO_ANNOTATION)
    if uid is not None:
        return bool(uid == application.metadata.uid)
    return not application.spec.created_at
