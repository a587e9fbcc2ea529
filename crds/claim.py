"""Claim: a name that must be unique, taken before the object that wants it is made."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from polyfleet.crds.base import APPLICATION, Column, CustomResource, Names, Part
from polyfleet.crds.conditions import Status
from polyfleet.crds.types import IMMUTABLE_SPEC, ApplicationName, CreatedAt, ObjectName, Uid


class ClaimHolder(Part):
    """The object that the name is for."""

    kind: Annotated[str, Field(min_length=1, max_length=63, pattern="^[A-Z][A-Za-z]*$")]
    """The object's kind."""
    name: ObjectName
    """The object's name."""
    uid: Uid | None = None
    """The object's uid; absent while it is not made yet."""


class ClaimSpec(Part):
    """What is taken, and for whom."""

    application: ApplicationName | None = None
    """The application within which it is unique; absent: everywhere."""
    type: Literal["Alias", "UserName", "Subject"]
    """What sort of name it is: a device's alias, a device's user name, a CA's subject."""
    value: Annotated[str, Field(min_length=1, max_length=4096)]
    """The name."""
    holder: ClaimHolder
    """The object that the name is for."""
    created_at: CreatedAt | None = None
    """When it was taken, in microseconds; absent: the object's creation."""


class ClaimStatus(Status):
    """What Polyfleet observed."""


class Claim(CustomResource):
    """A name that must be unique."""

    names: ClassVar[Names] = Names("Claim", "claims")
    columns: ClassVar[tuple[Column, ...]] = (
        Column("Type", ".spec.type"),
        Column("Value", ".spec.value"),
        Column("Holder", ".spec.holder.name"),
        APPLICATION,
    )
    selectable: ClassVar[tuple[str, ...]] = (".spec.application", ".spec.type", ".spec.holder.name")

    spec: Annotated[ClaimSpec, IMMUTABLE_SPEC]
    """What is taken, and for whom."""
    status: ClaimStatus | None = None
    """What Polyfleet observed."""
