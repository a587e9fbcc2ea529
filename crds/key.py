"""Key: a person's SSH key; its object name, a hash of the key, makes it unique."""

from typing import Annotated, ClassVar

from pydantic import Field

from polyfleet.crds.base import Column, CustomResource, Names, Part
from polyfleet.crds.conditions import Status
from polyfleet.crds.types import IMMUTABLE_SPEC, CreatedAt, ShortText, Uid


class KeySpec(Part):
    """A public key and whose it is."""

    user: Annotated[str, Field(min_length=1, max_length=1024)]
    """The name of the User whose key it is."""
    user_uid: Uid
    """The uid of that User."""
    id: Annotated[str, Field(min_length=1, max_length=128)]
    """The key's name among the user's keys."""
    public: Annotated[str, Field(min_length=1, max_length=16384)]
    """The public key as it was given."""
    fingerprint: ShortText | None = None
    """The key's fingerprint."""
    created_at: CreatedAt | None = None
    """When it was added, in microseconds; absent: the object's creation."""


class KeyStatus(Status):
    """What Polyfleet observed."""


class Key(CustomResource):
    """A person's SSH key."""

    names: ClassVar[Names] = Names("Key", "keys")
    columns: ClassVar[tuple[Column, ...]] = (
        Column("User", ".spec.user"),
        Column("ID", ".spec.id"),
        Column("Fingerprint", ".spec.fingerprint"),
    )
    selectable: ClassVar[tuple[str, ...]] = (".spec.user", ".spec.userUid", ".spec.id")

    spec: Annotated[KeySpec, IMMUTABLE_SPEC]
    """A public key and whose it is."""
    status: KeyStatus | None = None
    """What Polyfleet observed."""
