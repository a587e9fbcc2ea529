"""The bodies of this dialect, for its OpenAPI document."""

from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, RootModel

Item = TypeVar("Item")
Map = dict[str, Any] | str
"""An object, or a text that holds one in JSON."""
Date = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}UTC$")]
Uuid = Annotated[str, Field(min_length=36, max_length=36)]


class Body(BaseModel):
    """A body with exactly these fields."""

    model_config = ConfigDict(extra="forbid")


class Problem(Body):
    """What is wrong with a request."""

    detail: str


class Mistakes(RootModel[dict[str, list[str]]]):
    """What is wrong with each field."""


class VersionMismatch(Body):
    """The client speaks another version of the API."""

    error: str


class Page(Body, Generic[Item]):
    """A page of a list; `next` and `previous` are absolute addresses."""

    count: int
    next: str | None
    previous: str | None
    results: list[Item]


class Registration(BaseModel):
    """Who wants to register."""

    username: str
    password: str
    email: str | None = None
    first_name: str | None = None
    last_name: str | None = None


class UserBody(Body):
    """A user, as registration shows one."""

    id: int | None
    last_login: str
    is_superuser: bool
    username: str
    first_name: str
    last_name: str
    email: str
    is_staff: bool
    is_active: bool
    date_joined: str
    groups: list[str]
    user_permissions: list[str]


class Credentials(BaseModel):
    """A name and a password."""

    username: str
    password: str


class Token(Body):
    """The token that a login gives."""

    token: str


class NewPassword(BaseModel):
    """The old and the new password; administrators name another user instead of the old one."""

    password: str | None = None
    new_password: str
    username: str | None = None


class Status(Body):
    """What was done."""

    status: str


class UserName(BaseModel):
    """A user."""

    username: str


class OtherUser(BaseModel):
    """A user, if it is not the caller."""

    username: str | None = None


class NewApp(BaseModel):
    """An application to make; without an id it gets one."""

    id: str | None = None
    structure: Map | None = None


class Owner(BaseModel):
    """Who is to own the application."""

    owner: str


class App(Body):
    """An application."""

    created: Date
    id: str
    owner: str
    structure: dict[str, int]
    updated: Date
    url: str
    uuid: Uuid


class Users(Body):
    """Who collaborates on an application."""

    users: list[str]


class Administrator(Body):
    """Who is an administrator."""

    username: str
    is_superuser: Literal[True]


class NewKey(BaseModel):
    """A key to add."""

    id: str
    public: str


class Key(Body):
    """An SSH key."""

    created: Date
    id: str
    owner: str
    public: str
    updated: Date
    uuid: Uuid


class NewDomain(BaseModel):
    """A host name to lead to an application."""

    domain: str


class Domain(Body):
    """A host name that leads to an application."""

    app: str
    created: Date
    domain: str
    owner: str
    updated: Date


class Config(Body):
    """A configuration."""

    owner: str
    app: str
    values: dict[str, Any]
    memory: dict[str, str]
    cpu: dict[str, int]
    tags: dict[str, str]
    created: Date
    updated: Date
    uuid: Uuid


class ConfigChange(BaseModel):
    """What to change of a configuration; null removes a key."""

    values: Map | None = None
    memory: Map | None = None
    cpu: Map | None = None
    tags: Map | None = None


class NewBuild(BaseModel):
    """An image to run."""

    image: str
    sha: str | None = None
    procfile: Map | None = None
    dockerfile: str | None = None


class Build(Body):
    """An image that an application can run."""

    app: str
    created: Date
    dockerfile: str
    image: str
    owner: str
    procfile: dict[str, str]
    sha: str
    updated: Date
    uuid: Uuid


class Release(Body):
    """A numbered pair of a build and a configuration."""

    app: str
    build: Uuid | None
    config: Uuid
    created: Date
    owner: str
    summary: str
    updated: Date
    uuid: Uuid
    version: int


class Rollback(BaseModel):
    """The release to go back to; without a version, the one before the newest."""

    version: int | str | None = None


class NewVersion(Body):
    """The number of a new release."""

    version: int


class Counts(RootModel[dict[str, int | str]]):
    """How many instances of each process type."""


class Container(Body):
    """A container of an application."""

    owner: str
    app: str
    release: str
    created: Date
    updated: Date
    uuid: Uuid
    type: str
    num: int
    state: Literal["initialized", "created", "up", "down", "destroyed", "crashed", "error"]


class Command(BaseModel):
    """A command to run."""

    command: str


class Result(Body):
    """How a command ended; the command lines get a list of the two instead."""

    rc: int
    output: str


class Receiver(BaseModel):
    """For whom the builder acts, and on which application."""

    receive_user: str
    receive_repo: str


class Push(Receiver):
    """What was pushed."""

    sha: str
    fingerprint: str | None = None
    ssh_connection: str | None = None
    ssh_original_command: str | None = None


class PushNote(Body):
    """A push that was noted."""

    owner: str
    app: str
    receive_user: str
    receive_repo: str
    sha: str
    fingerprint: str
    ssh_connection: str
    ssh_original_command: str
    created: Date
    updated: Date
    uuid: Uuid


class PushedBuild(Receiver, NewBuild):
    """An image that was built of a push."""


class Deployed(Body):
    """The release that was made, and where it is to be found."""

    release: NewVersion
    domains: list[str]
