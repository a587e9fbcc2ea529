"""The bodies of this dialect for its OpenAPI document; `extra` keys are refused."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Body(BaseModel):
    """A body with exactly these fields."""

    model_config = ConfigDict(extra="forbid")


class ErrorBody(Body):
    """What went wrong, for people."""

    error: str


class Package(Body):
    """An update package."""

    id: int
    created: str
    sha256: str
    driver: str
    metadata: dict[str, Any]


class DownloadLink(Body):
    """Where a package's file can be fetched for a limited time."""

    id: int
    download_url: str


class Group(Body):
    """A group, API v1."""

    id: int
    created: str
    devices: list[int]
    packages: list[int]
    metadata: dict[str, Any]
    policy: str


class GroupV2(Group):
    """A group, API v2."""

    priority: int


class NewGroup(Body):
    """A group to be made, API v2."""

    metadata: dict[str, Any]
    priority: int = 25


class GroupMetadata(BaseModel):
    """The metadata of a group to be made, API v1: any object."""

    model_config = ConfigDict(extra="allow")


class DeviceChanges(Body):
    """Identifiers of devices that join and leave a group."""

    add: list[int | str]
    remove: list[int | str]


class PackageAssignment(Body):
    """Identifiers of all packages that a group has."""

    packages: list[int | str]


class Policy(Body):
    """`no_update,` or `exact_match,<version>`."""

    policy: str


class Priority(Body):
    """Of several groups of a device, the one with the lowest number is active."""

    priority: int


class _DeviceBase(Body):
    id: int
    name: str
    mac_address: str
    capabilities: dict[str, bool]
    metadata: dict[str, str | list[str]]
    last_access: str | None
    public_key: str | None


class Device(_DeviceBase):
    """A device, API v1; `group` is its active one."""

    group: int | None


class DeviceV2(_DeviceBase):
    """A device, API v2; `groups` the active one first."""

    groups: list[int]
    connected: bool | None


class Registration(Body):
    """A device that waits to be let in."""

    mac_address: str
    public_key: str
    metadata: dict[str, str | list[str]]
    last_appeared: str


class RegistrationReference(BaseModel):
    """Which pending registration is meant; other fields are passed over."""

    mac_address: str
    public_key: str


class DeviceAuthorization(Body):
    """A device's request for a token."""

    metadata: dict[str, str | list[str]]
    public_key: str
    timestamp: int


class DeviceToken(Body):
    """A token, and for how many seconds it holds."""

    expires: int
    token: str


class UpdateQuestion(BaseModel):
    """A device's metadata; three keys must be there."""

    model_config = ConfigDict(extra="allow")

    version: str = Field(alias="rdfm.software.version")
    device_type: str = Field(alias="rdfm.hardware.devtype")
    identifier: str = Field(alias="rdfm.hardware.macaddr")


class Update(Body):
    """The package that a device is to install."""

    id: int
    created: str
    sha256: str
    uri: str


class Nothing(Body):
    """An empty object."""
