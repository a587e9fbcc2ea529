"""The bodies of the native routes."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class _Body(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class ErrorDetail(_Body):
    """What went wrong: a word for programs, a sentence for people."""

    reason: str
    message: str


class ErrorBody(_Body):
    """The body of every answer that is not a success."""

    error: ErrorDetail


class Whoami(_Body):
    """Who the caller is, as every dialect sees it."""

    kind: Literal["user", "device"]
    name: str
    administrator: bool
    scopes: list[str]
    source: str = Field(description="How the caller proved who it is.")


class DeviceReference(_Body):
    """Which device was asked about."""

    application: str
    id: str
    name: str = Field(description="Name of the Device object.")
    uid: str


class Facts(_Body):
    """What the decision was made from."""

    version: str | None
    device_type: str | None
    groups: list[str] = Field(description="Names of the groups the device is in, active first.")
    pin: str | None
    hold: bool
    disabled: bool
    attributes: dict[str, str]


class PackageReference(_Body):
    """A package that is offered."""

    name: str = Field(description="Name of the Package object.")
    serial: int | None = Field(description="The number by which RDFM knows it.")
    version: str
    device_type: str | None


class DecisionBody(_Body):
    """What the device gets now, and why in one word."""

    package: PackageReference | None
    reason: str
    group: str | None = Field(description="Name of the group that decided.")
    rollout: str | None
    target_version: str | None = Field(description="The version the device is to reach in the end.")


class TraceStep(_Body):
    """One check on the way to the decision."""

    check: str
    verdict: Literal["chosen", "passed", "failed", "lost", "info"]
    message: str
    facts: dict[str, Any] = {}


class WhatIf(BaseModel):
    """What a question changes about the device; what is absent stays as it is stored."""

    version: str | None = Field(
        default=None, max_length=256, description="Ask as if the device ran this version."
    )
    attribute: list[str] = Field(
        default=[], max_length=64, description="Ask as if an attribute were so: `key=value`."
    )
    group: list[str] = Field(
        default=[], max_length=64, description="Ask as if the device were in this group, too."
    )
    pin: str | None = Field(
        default=None,
        max_length=253,
        description="Ask as if it were pinned to the Package of this object name; empty: to none.",
    )
    hold: bool | None = Field(default=None, description="Ask as if it were on hold, or not.")
    takes: Literal["artifact", "specification", "anything"] | None = Field(
        default=None,
        description="What whoever asks can hand to the device: RDFM artifacts, Kaa specifications."
        " By default artifacts for a device with a public key, anything for others.",
    )


class Explanation(_Body):
    """A decision with all that led to it."""

    device: DeviceReference
    facts: Facts
    hypothetical: bool = Field(description="Whether the question changed some of the facts.")
    offers_allowed: bool = Field(
        description="False while this replica's knowledge is too old to make offers at all."
    )
    decision: DecisionBody
    trace: list[TraceStep]


class PlannedStep(_Body):
    """A step of a rollout: as it was opened, or as it would be if it opened now."""

    number: int
    open: bool
    population: int = Field(description="How many targets it selects.")
    reaches: int = Field(description="How many of them are within its limit.")
    frontier: float = Field(description="The position up to which devices get the package.")


class RolloutCountsBody(_Body):
    """How far the devices are."""

    total: int
    reached: int
    offered: int
    updated: int
    failed: int


class UpcomingDevice(_Body):
    """A device that the next step would come to."""

    id: str
    name: str = Field(description="Name of the Device object.")
    position: float


class RolloutPlan(_Body):
    """What a rollout has done and would do next; nothing is written."""

    name: str
    package: str
    version: str
    digest: str = Field(description="What the plan is known by.")
    state: Literal["Open", "Paused", "Aborted", "Unplanned"]
    waits: str = Field(description="What the next step waits for; empty if for nothing.")
    counts: RolloutCountsBody
    steps: list[PlannedStep]
    next_count: int = Field(description="How many devices the next step would add.")
    next_devices: list[UpcomingDevice] = Field(description="The first twenty of them, in order.")
