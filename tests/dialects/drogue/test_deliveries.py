"""What a device is handed, whatever stands in the command."""

import httpx
import pytest
from uvicorn.protocols.http.httptools_impl import HEADER_VALUE_RE

from polyfleet.api.dialects.drogue.deliveries import delivery
from polyfleet.fleet.objects.command import Command, CommandSpec, Payload
from polyfleet.fleet.objects.metadata import ObjectMeta
from tests.dialects.drogue.inbox import send
from tests.dialects.drogue.registry import Registry


def command(content_type: str) -> Command:
    return Command(
        metadata=ObjectMeta(name="c"),
        spec=CommandSpec(
            application="a",
            device="d",
            name="reboot",
            expires_at="2090-01-01T00:00:00Z",
            payload=Payload(content_type=content_type, base64="eA=="),
        ),
    )


@pytest.mark.parametrize(
    "bad", ["text/plain; x=\N{RIGHTWARDS ARROW}", "a\r\nX-Y: z", "\x00", "\x7f", "text/plaïn", ""]
)
def test_a_media_type_that_no_header_can_hold_is_that_of_bytes(bad: str) -> None:
    answer = delivery(command(bad))
    headers = dict(answer.raw_headers)
    assert headers[b"content-type"] == b"application/octet-stream"
    assert not any(HEADER_VALUE_RE.search(value) for value in headers.values())
    assert answer.body == b"x"


@pytest.mark.parametrize("good", ["text/plain;\tcharset=utf-8", "x"])
def test_other_media_types_are_as_they_were_given(good: str) -> None:
    assert delivery(command(good)).headers["content-type"] == good


def test_what_no_header_can_hold_cannot_be_sent(registry: Registry, app: str, name: str) -> None:
    headers = [(b"content-type", "text/plaïn".encode())]
    refused: httpx.Response = send(registry, app, name, "ping", headers=headers)
    assert refused.status_code == 400
