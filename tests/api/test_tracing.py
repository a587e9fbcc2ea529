"""Traces arrive at a real OTLP receiver, say what they should and nothing that they must not."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import opentelemetry.proto.collector.trace.v1.trace_service_pb2 as otlp
import pytest
from pydantic import ValidationError

from polyfleet.api.settings import Settings
from tests.facade_fixtures import StartFacade

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"


@contextmanager
def receiver() -> Iterator[tuple[str, list[Any]]]:
    """Run an OTLP receiver; yield its address and the spans that came."""
    spans: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") is None:
                request = otlp.ExportTraceServiceRequest.FromString(body)
                for resource in request.resource_spans:
                    for scope in resource.scope_spans:
                        spans.extend((resource.resource, span) for span in scope.spans)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1/traces", spans
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def attributes(item: Any) -> dict[str, object]:
    return {
        entry.key: entry.value.string_value or entry.value.int_value for entry in item.attributes
    }


def test_a_request_is_one_span_of_its_callers_trace(start_facade: StartFacade) -> None:
    with receiver() as (endpoint, spans):
        with start_facade(tracing={"endpoint": endpoint}) as server, server.client() as client:
            answer = client.get(
                "/polyfleet/v1/whoami?api_key=secret-of-somebody",
                headers={"traceparent": f"00-{TRACE}-{PARENT}-01"},
            )
            client.get("/nothing/device-7")
        # The facade's end has sent what was left.
        # Who keeps the record of routes asks for the metrics after them.
        (resource, first), (_, second) = spans[:2]
    assert attributes(resource)["service.name"] == "polyfleet-facade"
    assert (first.trace_id.hex(), first.parent_span_id.hex()) == (TRACE, PARENT)
    assert first.name == "GET /polyfleet/v1/whoami"
    assert attributes(first) == {
        "http.route": "/polyfleet/v1/whoami",
        "http.request.method": "GET",
        "http.response.status_code": answer.status_code,
        "polyfleet.request_id": answer.headers["x-request-id"],
    }
    assert second.name == "GET"
    told = str(spans)
    assert "secret-of-somebody" not in told
    assert "device-7" not in told


def test_a_caller_that_is_not_traced_is_not_traced_here(start_facade: StartFacade) -> None:
    with receiver() as (endpoint, spans):
        with start_facade(tracing={"endpoint": endpoint}) as server, server.client() as client:
            client.get("/healthz", headers={"traceparent": f"00-{TRACE}-{PARENT}-00"})
        assert TRACE not in {span.trace_id.hex() for _, span in spans}


def test_without_an_endpoint_nothing_is_loaded(start_facade: StartFacade) -> None:
    with start_facade() as server, server.client() as client:
        assert client.get("/healthz").status_code == 200


def test_a_receiver_that_is_away_harms_nobody(start_facade: StartFacade) -> None:
    with (
        start_facade(tracing={"endpoint": "http://127.0.0.1:9/v1/traces"}) as server,
        server.client() as client,
    ):
        assert client.get("/healthz").status_code == 200


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(ValidationError, match="tracing"):
        Settings(tracing={"endpoint": "collector:4317"})
