"""What a decision about an object comes to: changes to it, and word for people."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

NoticeType = Literal["Normal", "Warning"]


@dataclass(frozen=True)
class Notice:
    """Something that a person wants to know, shown as a Kubernetes Event."""

    reason: str
    message: str
    type: NoticeType = "Normal"


@dataclass(frozen=True)
class Verdict:
    """What is to be written: merge patches, None where nothing is; and what is to be told.

    `again_after` is in seconds: when to look at the object again without any change of it.
    """

    metadata: Mapping[str, Any] | None = None
    status: Mapping[str, Any] | None = None
    notices: tuple[Notice, ...] = field(default=())
    again_after: float | None = None
