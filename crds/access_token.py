"""AccessToken: what a person hands to a program instead of a password."""

from typing import Annotated, ClassVar

from pydantic import Field

from polyfleet.crds.base import Column, CustomResource, Names, Part
from polyfleet.crds.conditions import Status
from polyfleet.crds.types import IMMUTABLE_SPEC, CreatedAt, Instant, Scopes, Text, Uid


class AccessTokenSpec(Part):
    """A token by the hash of its text."""

    user: Annotated[str, Field(min_length=1, max_length=1024)]
    """The name of the User whose rights it has."""
    user_uid: Uid
    """The uid of that User: a name registered again inherits no tokens."""
    prefix: Annotated[str, Field(min_length=1, max_length=64)]
    """The part of the token by which people tell tokens apart."""
    hash: Annotated[str, Field(min_length=1, max_length=256)]
    """The hash of the token's text."""
    created_at: CreatedAt | None = None
    """When it was made, in microseconds; absent: the object's creation."""
    description: Text | None = None
    """What it is for."""
    scopes: Scopes | None = None
    """What it may do; absent: all that the user may."""
    expires_at: Instant | None = None
    """Until when it works; absent: until it is deleted."""


class AccessTokenStatus(Status):
    """What Polyfleet observed."""


class AccessToken(CustomResource):
    """What a person hands to a program instead of a password."""

    names: ClassVar[Names] = Names("AccessToken", "accesstokens", ("pat",))
    columns: ClassVar[tuple[Column, ...]] = (
        Column("User", ".spec.user"),
        Column("Prefix", ".spec.prefix"),
        Column("Description", ".spec.description"),
        Column("Expires", ".spec.expiresAt"),
    )
    selectable: ClassVar[tuple[str, ...]] = (".spec.user", ".spec.userUid", ".spec.prefix")

    spec: Annotated[AccessTokenSpec, IMMUTABLE_SPEC]
    """A token by the hash of its text."""
    status: AccessTokenStatus | None = None
    """What Polyfleet observed."""
