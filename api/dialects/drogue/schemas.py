"""The bodies of this dialect, for its OpenAPI document."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel


class Body(BaseModel):
    """A body with exactly these fields."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class ErrorBody(Body):
    """What went wrong: a word for programs, a text for people."""

    error: str
    message: str


class AccessToken(Body):
    """An access token, without its text."""

    prefix: str
    created: str
    description: str | None = None


class NewAccessToken(Body):
    """An access token just made; its text is shown this once, under both names."""

    prefix: str
    token: str
    key: str


class ApplicationMetadata(Body):
    """What applications and devices have in common."""

    name: str
    uid: str | None = None
    creation_timestamp: str | None = Field(default=None, alias="creationTimestamp")
    generation: int | None = None
    resource_version: str | None = Field(default=None, alias="resourceVersion")
    deletion_timestamp: str | None = Field(default=None, alias="deletionTimestamp")
    finalizers: list[str] | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None


class DeviceMetadata(ApplicationMetadata):
    """The same, and the application that the device belongs to."""

    application: str


class App(BaseModel):
    """An application; `spec` and `status` are free JSON."""

    metadata: ApplicationMetadata
    spec: dict[str, Any] | None = None
    status: dict[str, Any] | None = None


class Device(BaseModel):
    """A device; `spec` and `status` are free JSON."""

    metadata: DeviceMetadata
    spec: dict[str, Any] | None = None
    status: dict[str, Any] | None = None


class Member(Body):
    """What a person may do: `writer` is another word for `manager`."""

    role: Literal["reader", "manager", "writer", "admin"]


class Members(Body):
    """Who has a role in an application, by user name."""

    resource_version: str | None = Field(default=None, alias="resourceVersion")
    members: dict[str, Member]


class Transfer(Body):
    """To whom an application is offered."""

    new_user: str = Field(alias="newUser")


class Identity(Body):
    """Who the caller is."""

    id: str


class Version(Body):
    """Which version of the API this is."""

    success: bool
    version: str


class PatchOperation(BaseModel):
    """One operation of a JSON Patch (RFC 6902)."""

    op: Literal["add", "remove", "replace", "move", "copy", "test"]
    path: str
    from_: str | None = Field(default=None, alias="from")
    value: Any = None


class Patch(RootModel[list[PatchOperation]]):
    """A JSON Patch."""


class Preconditions(BaseModel):
    """What must hold of an object for its deletion."""

    uid: str | None = None
    resource_version: str | None = Field(default=None, alias="resourceVersion")


class Deletion(BaseModel):
    """How an object is to be deleted; the query says the same."""

    preconditions: Preconditions | None = None


class Payload(RootModel[dict[str, Any]]):
    """What goes with a command or with its answer; any other type of content will do as well."""
