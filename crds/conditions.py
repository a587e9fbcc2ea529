"""Conditions, and what the status of every kind begins with."""

from typing import Annotated, Literal

from pydantic import Field

from polyfleet.crds.base import Part
from polyfleet.crds.types import Instant, list_map


class Condition(Part):
    """One aspect of an object's state, as Kubernetes' own metav1.Condition."""

    type: Annotated[str, Field(min_length=1, max_length=316, pattern="^[A-Z][A-Za-z0-9]*$")]
    """The aspect, in CamelCase."""
    status: Literal["True", "False", "Unknown"]
    """Whether it holds."""
    observed_generation: Annotated[int, Field(ge=0, le=2**53 - 1)] | None = None
    """The generation of the spec that this was decided from."""
    last_transition_time: Instant
    """When the status last changed."""
    reason: Annotated[str, Field(min_length=1, max_length=1024, pattern="^[A-Z][A-Za-z0-9]*$")]
    """Why, in one CamelCase word."""
    message: Annotated[str, Field(max_length=4096)]
    """Why, in words for people."""


class Status(Part):
    """What the status of every kind begins with; all of it can be lost and rebuilt."""

    conditions: Annotated[list[Condition], Field(max_length=16), list_map("type")] | None = None
    """The aspects of the object's state."""
    observed_generation: Annotated[int, Field(ge=0, le=2**53 - 1)] | None = None
    """The generation of the spec that was last reconciled."""
