"""The Secrets of password hashes, and whose each of them is.

A password is stored before its user is made, so that nobody who dies in between leaves a user
that nobody can log in as. Until its user takes it, such a Secret has no owner and is labelled as
unclaimed; a user is known to be the one that it is for by name and moment of creation, neither
of which can be changed.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from polyfleet.fleet.objects.kinds import USERS
from polyfleet.fleet.objects.metadata import GROUP
from polyfleet.fleet.objects.owners import owner_reference
from polyfleet.fleet.objects.user import User
from polyfleet.kube.client import Client
from polyfleet.kube.resources import SECRETS

USER_LABEL = f"{GROUP}/user"
UNCLAIMED_LABEL = f"{GROUP}/unclaimed"


def secret_name(user_name: str, created_at: str = "") -> str:
    """Return the name of the Secret with the password of the user that has this `createdAt`."""
    digest = hashlib.sha256(user_name.encode())
    if created_at:
        digest = hashlib.sha256(digest.digest() + created_at.encode())
    return f"user-{digest.hexdigest()[:16]}-password"


def is_secret_of(document: Mapping[str, Any], user: User) -> bool:
    """Return whether a Secret holds the password of this very user.

    A user made again under the name does not inherit the password of the one before.
    """
    metadata = document.get("metadata") or {}
    owners = metadata.get("ownerReferences")
    if owners:
        return user.metadata.uid in {owner.get("uid") for owner in owners}
    labels = metadata.get("labels") or {}
    return (
        bool(user.spec.created_at)
        and UNCLAIMED_LABEL in labels
        and metadata.get("name") == secret_name(user.spec.name, user.spec.created_at)
    )


def owned_metadata(user: User) -> dict[str, Any]:
    """Return the metadata of the Secret of a user that exists."""
    return {
        "name": secret_name(user.spec.name, user.spec.created_at),
        "labels": {USER_LABEL: user.metadata.name},
        "ownerReferences": [owner_reference(USERS, user)],
    }


def unclaimed_metadata(user_name: str, created_at: str, object_name: str) -> dict[str, Any]:
    """Return the metadata of the Secret of a user that is about to be made."""
    return {
        "name": secret_name(user_name, created_at),
        "labels": {USER_LABEL: object_name, UNCLAIMED_LABEL: "true"},
    }


async def claim(client: Client, user: User) -> None:
    """Let a user have the Secret that was made before it, and the Secret go with the user.

    Harmless if it was done before. Raises ApiError: NotFound if the Secret is gone.
    """
    owned = owned_metadata(user)
    changes = {
        "labels": {UNCLAIMED_LABEL: None},
        "ownerReferences": owned["ownerReferences"],
    }
    await client.patch_document(SECRETS, owned["name"], {"metadata": changes})
