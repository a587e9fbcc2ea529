"""What Application, Build and Release have in common: processes, limits and placement."""

from typing import Annotated

from pydantic import Field

from polyfleet.crds.base import Part
from polyfleet.crds.schema import Rule
from polyfleet.crds.types import Instant, LabelValue, UserName, Uuid

_TYPE = "^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$"
_LABEL = "[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_MOST_TYPES = 64

BY_TYPE = Rule(
    f"self.all(type, type.matches('{_TYPE}'))",
    "a process type is at most 63 of a-z, 0-9 and -, and begins with a letter",
)
_NODE_LABELS = Rule(
    f"self.all(key, key.matches('^([a-z0-9]([-a-z0-9.]{{0,251}}[a-z0-9])?/)?{_LABEL}$'))",
    "a tag is the key of a node's label",
)

ProcessType = Annotated[str, Field(min_length=1, max_length=63, pattern=_TYPE)]
Memory = Annotated[
    dict[str, Annotated[str, Field(max_length=16, pattern="^[0-9]{1,12}[BbKkMmGg][Bbi]?$")]],
    Field(max_length=_MOST_TYPES),
    BY_TYPE,
]
Shares = Annotated[
    dict[str, Annotated[int, Field(ge=0, le=1024)]], Field(max_length=_MOST_TYPES), BY_TYPE
]
Tags = Annotated[dict[str, LabelValue], Field(max_length=_MOST_TYPES), _NODE_LABELS]
ReleaseNumber = Annotated[int, Field(ge=1, le=1_000_000_000)]


class Configuration(Part):
    """Limits and placement of processes, and which Secret has the values of the environment.

    The Secret is never named: its name follows from the application's and the uuid.
    """

    uuid: Uuid | None = None
    """Names the immutable Secret of the values; absent: they are those of app-<name>-config."""
    owner: UserName | None = None
    """Who made it."""
    created: Instant | None = None
    """When it was made."""
    memory: Memory | None = None
    """Memory limit by process type, for example web to 512M; B, K, M and G are powers of 1024."""
    cpu: Shares | None = None
    """CPU shares by process type, from 0 (no claim) to 1024 (a whole CPU)."""
    tags: Tags | None = None
    """Labels that a node must have."""
