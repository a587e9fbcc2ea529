"""Command: a short-lived message to a device."""

from typing import Annotated, ClassVar

from pydantic import Field, WithJsonSchema

from polyfleet.crds.base import APPLICATION, Column, CustomResource, Names, Part
from polyfleet.crds.conditions import Status
from polyfleet.crds.schema import Rule
from polyfleet.crds.types import (
    IMMUTABLE_SPEC,
    NO_CONTROLS,
    ApplicationName,
    CreatedAt,
    Instant,
    ShortText,
    WireName,
)

_MAXIMUM_BASE64 = 87_384  # 64 KiB of bytes
_BASE64 = "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"

# No `format: byte`: rules would see bytes, which they read from base64 for URLs only, and then no
# rule over the spec could be asked of an object whose base64 holds `+` or `/`.
Base64 = Annotated[str, Field(max_length=_MAXIMUM_BASE64, pattern=_BASE64)]


# It becomes a header of HTTP, and what none can hold would be lost with the command.
MediaType = Annotated[
    ShortText,
    Rule(r"self.matches(r'^[\t -~]*$')", "must be of printable ASCII characters, as a header is"),
]


class Payload(Part):
    """Bytes, at most 64 KiB."""

    content_type: MediaType | None = None
    """Their media type; absent: application/octet-stream."""
    base64: Base64 | None = None
    """The bytes in base64."""


class CommandSpec(Part):
    """What is sent to whom, and until when it makes sense."""

    application: ApplicationName
    """The application that the device belongs to."""
    device: WireName
    """The device's own name."""
    name: Annotated[str, Field(min_length=1, max_length=1024)]
    """The command's name."""
    expires_at: Instant
    """Until when it may be delivered."""
    created_at: CreatedAt | None = None
    """When it was made, in microseconds; absent: the object's creation."""
    payload: Payload | None = None
    """What comes with it."""


class Delivery(Part):
    """Who took the command to the device."""

    at: Instant
    """When."""
    by: ShortText | None = None
    """Which process."""


AnswerStatus = Annotated[
    int | str,
    WithJsonSchema(
        {
            "x-kubernetes-int-or-string": True,
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "maxLength": 256,
        }
    ),
    Rule(
        f"type(self) == string ? self.matches(r'{NO_CONTROLS}') : self >= 0 && self <= 999",
        "status is a number from 0 to 999, or a text without control characters",
    ),
]


class Answer(Part):
    """What the device answered."""

    at: Instant
    """When."""
    status: AnswerStatus
    """The status code: a number, or a word of the device's own."""
    payload: Payload | None = None
    """What came with it."""


class CommandStatus(Status):
    """How far the command is."""

    delivered: Delivery | None = None
    """Who took it to the device."""
    answer: Answer | None = None
    """What the device answered."""


class Command(CustomResource):
    """A short-lived message to a device."""

    names: ClassVar[Names] = Names("Command", "commands", ("cmd",))
    columns: ClassVar[tuple[Column, ...]] = (
        Column("Device", ".spec.device"),
        Column("Command", ".spec.name"),
        Column("Delivered", ".status.delivered.at", "date"),
        Column("Answer", ".status.answer.status"),
        Column("Expires", ".spec.expiresAt"),
        APPLICATION,
    )
    selectable: ClassVar[tuple[str, ...]] = (".spec.application", ".spec.device", ".spec.name")

    spec: Annotated[CommandSpec, IMMUTABLE_SPEC]
    """What is sent to whom, and until when it makes sense."""
    status: CommandStatus | None = None
    """How far it is."""
