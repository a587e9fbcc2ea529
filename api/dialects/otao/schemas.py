"""The bodies of this dialect for its OpenAPI document."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from polyfleet.api.dialects.otao.bodies import (
    LONGEST_FILTER,
    LONGEST_VERSION,
    MOST_FILTERS,
    MOST_VERSIONS,
)

SEMANTIC_VERSION = (
    r"^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)"
    r"(-(0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)(\.(0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*))*)?"
    r"(\+[0-9a-zA-Z-]+(\.[0-9a-zA-Z-]+)*)?$"
)
DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z$"


class _Body(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class ErrorBody(_Body):
    """What went wrong, for people."""

    message: str


class DeviceErrorBody(_Body):
    """What went wrong, for a device."""

    status_code: int
    reason_phrase: str


class NewFilter(_Body):
    """A group of devices by its name or uid, and from when on it is meant."""

    filter_id: str = Field(min_length=1, max_length=LONGEST_FILTER)
    rollout_date: str | None = Field(
        default=None, json_schema_extra={"format": "date-time", "pattern": DATE}
    )


SemanticVersion = Annotated[str, Field(pattern=SEMANTIC_VERSION, max_length=LONGEST_VERSION)]


class ChangedSoftware(_Body):
    """What may change about a version of software."""

    metadata: Any = None
    upgradable_from: list[SemanticVersion] | None = Field(
        default=None, max_length=MOST_VERSIONS, json_schema_extra={"uniqueItems": True}
    )
    rollout_strategy: Literal["suspended", "targeted", "general"]
    filters: list[NewFilter] | None = Field(default=None, max_length=MOST_FILTERS)


class NewSoftware(ChangedSoftware):
    """A version of software to be made."""

    specification: Any = None


class Filter(_Body):
    """A group of devices as it was named, and from when on it is meant."""

    filter_id: str
    rollout_date: str | None = None


class Software(_Body):
    """A version of an application's software."""

    app_name: str
    version: str
    specification: Any = None
    metadata: Any = None
    upgradable_from: list[str] | None = None
    rollout_strategy: Literal["suspended", "targeted", "general"]
    filters: list[Filter]


class ConfigQuestion(_Body):
    """What a device runs, if it says so."""

    config_id: str | None = Field(default=None, max_length=LONGEST_VERSION)
    observe: bool | None = None


class Config(_Body):
    """What a device is to run; empty if that is what it said it runs."""

    config_id: str | None = None
    config: Any = None


class Applied(_Body):
    """What a device installed (a 2xx), or could not install."""

    config_id: str = Field(max_length=LONGEST_VERSION)
    status_code: int | None = Field(default=None, ge=100, le=599)
    reason_phrase: str | None = None


class Done(_Body):
    """The answer to a report."""

    status_code: int
    reason_phrase: str
