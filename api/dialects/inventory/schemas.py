"""The bodies of this dialect for its OpenAPI document."""

from pydantic import BaseModel

Value = str | float | list[str] | list[float]


class Error(BaseModel):
    """What went wrong, for people, and the id of the request."""

    error: str
    request_id: str


class Attribute(BaseModel):
    """A named value; its type is that of the JSON value."""

    name: str
    value: Value
    description: str | None = None


class ScopedAttribute(Attribute):
    """An attribute as a search shows it."""

    scope: str
    timestamp: str | None = None


class Device(BaseModel):
    """A device; `updated_ts` is when its attributes last changed."""

    id: str
    attributes: list[Attribute] | None = None
    updated_ts: str


class FoundDevice(BaseModel):
    """A device as a search shows it."""

    id: str
    attributes: list[ScopedAttribute] | None = None
    updated_ts: str


class DeviceNew(BaseModel):
    """A device to be made; when it was updated is for the server to say."""

    id: str
    attributes: list[Attribute] | None = None
    updated_ts: str | None = None


class Group(BaseModel):
    """The group of a device."""

    group: str


class GroupOfDevice(BaseModel):
    """The group of a device, null for none."""

    group: str | None


class Counts(BaseModel):
    """How many devices were meant and how many changed; zeros are left out."""

    matched_count: int | None = None
    updated_count: int | None = None


class Field(BaseModel):
    """An attribute by scope and name."""

    scope: str
    attribute: str


class Filter(Field):
    """One condition; all of a search must hold."""

    type: str
    value: str | float | bool | list[str] | list[float]


class SortKey(Field):
    """One key to sort by; `order` is asc or desc."""

    order: str


class Search(BaseModel):
    """Which devices, in which order, and which of their attributes."""

    page: int = 1
    per_page: int = 20
    filters: list[Filter] = []
    sort: list[SortKey] = []
    attributes: list[Field] = []
    device_ids: list[str] = []
