"""Command: a short-lived message to a device."""

from polyfleet.fleet.objects.metadata import ObjectMeta, Status, View


class Payload(View, frozen=True, kw_only=True):
    """Bytes, base64, at most 64 KiB."""

    content_type: str = "application/octet-stream"
    base64: str = ""


class CommandSpec(View, frozen=True, kw_only=True):
    """What is sent to whom, and until when it makes sense."""

    application: str
    device: str
    name: str
    expires_at: str
    created_at: str = ""
    payload: Payload | None = None


class Delivery(View, frozen=True, kw_only=True):
    """Who took the command to the device, and when."""

    at: str
    by: str = ""


class Answer(View, frozen=True, kw_only=True):
    """What the device answered."""

    at: str
    status: int | str
    payload: Payload | None = None


class CommandStatus(Status, frozen=True, kw_only=True):
    """How far the command is."""

    delivered: Delivery | None = None
    answer: Answer | None = None


class Command(View, frozen=True, kw_only=True):
    """A Command as the cache holds it."""

    metadata: ObjectMeta
    spec: CommandSpec
    status: CommandStatus = CommandStatus()
