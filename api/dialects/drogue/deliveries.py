"""Commands as the answers to the devices that fetch them."""

import base64
import re
from urllib.parse import quote

from starlette.responses import Response

from polyfleet.fleet.objects.command import Command

OCTETS = "application/octet-stream"

_HEADER = re.compile(r"[\t -~]+")
# Printable ASCII but for the sign that begins an escape: headers hold nothing else for sure.
_PLAIN = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")


def delivery(command: Command) -> Response:
    """Return the answer that brings a command: it is marked as delivered, and must not get lost."""
    headers = {
        "Command": quote(command.spec.name, safe=_PLAIN),
        "Request": command.metadata.name,
        "Cache-Control": "no-store",
    }
    payload = command.spec.payload
    if payload is None:
        return Response(headers=headers)
    body = base64.b64decode(payload.base64)
    # The API server refuses others now; objects that were made before may have them.
    content_type = payload.content_type if is_header(payload.content_type) else OCTETS
    return Response(body, headers={**headers, "Content-Type": content_type})


def is_header(text: str) -> bool:
    """Say whether a header can hold the text: printable ASCII."""
    return _HEADER.fullmatch(text) is not None
