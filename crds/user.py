"""User: a person who may call the APIs."""

from typing import Annotated, ClassVar

from pydantic import Field

from polyfleet.crds.base import READY, REASON, SERIAL, Column, CustomResource, Names, Part
from polyfleet.crds.conditions import Status
from polyfleet.crds.schema import Rule
from polyfleet.crds.types import (
    IMMUTABLE,
    SET,
    Count,
    CreatedAt,
    Scopes,
    Serial,
    ShortText,
    WireName,
    kept_as_it_was,
)


class UserSpec(Part):
    """Who a person is and what the person may do; the password's hash lives in a Secret."""

    rules: ClassVar[tuple[Rule, ...]] = (kept_as_it_was("createdAt"),)

    name: Annotated[WireName, IMMUTABLE]
    """The name to sign in with."""
    created_at: CreatedAt | None = None
    """When it was made, in microseconds; absent: the object's creation."""
    administrator: bool | None = None
    """Whether the person may do everything."""
    disabled: bool | None = None
    """Whether the person is locked out."""
    scopes: Scopes | None = None
    """What the person may do in the default application, for example rdfm_admin_ro."""
    email: Annotated[str, Field(max_length=320)] | None = None
    """The person's e-mail address."""
    first_name: ShortText | None = None
    """The person's first name."""
    last_name: ShortText | None = None
    """The person's last name."""
    subjects: (
        Annotated[
            list[Annotated[str, Field(min_length=1, max_length=512)]], Field(max_length=16), SET
        ]
        | None
    ) = None
    """Who the person is to identity providers: ISSUER#SUBJECT."""
    login_epoch: Count | None = None
    """Another number here ends every login over the Deis API; absent is 0."""


class UserStatus(Status):
    """What Polyfleet observed."""

    serial: Serial | None = None
    """Its serial, to be restored from if the label is lost."""


class User(CustomResource):
    """A person who may call the APIs."""

    names: ClassVar[Names] = Names("User", "users", ("usr",))
    columns: ClassVar[tuple[Column, ...]] = (
        Column("User", ".spec.name"),
        Column("Administrator", ".spec.administrator", "boolean"),
        Column("Disabled", ".spec.disabled", "boolean"),
        READY,
        REASON,
        SERIAL,
        Column("Email", ".spec.email", wide=True),
    )
    selectable: ClassVar[tuple[str, ...]] = (".spec.name",)

    spec: UserSpec
    """Who the person is and what the person may do."""
    status: UserStatus | None = None
    """What Polyfleet observed."""
