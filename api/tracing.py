"""Traces of requests by OpenTelemetry, where they are switched on: one span a request.

A span carries the method, the template of the route, the status and the request's id; never a
path, a query, a header or a body, which name devices and hold credentials. The caller's trace
goes on (W3C trace context).
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio.to_thread
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from polyfleet.api.core.logging import request_id
from polyfleet.api.settings import TracingSettings

SERVICE = "polyfleet-facade"
_CARRIED = (b"traceparent", b"tracestate")
_SERVER_FAULT = 500


class MissingExtraError(RuntimeError):
    """Traces are switched on, but what sends them is not installed."""


@asynccontextmanager
async def traced(application: ASGIApp, settings: TracingSettings) -> AsyncIterator[ASGIApp]:
    """Yield the application with a span around each request; at the end send what is left.

    Without an endpoint the application itself. Raises MissingExtraError.
    """
    if settings.endpoint is None:
        yield application
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415 - optional
            OTLPSpanExporter,
        )
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
        from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError("traces need the extra: pip install polyfleet[tracing]") from error
    provider = TracerProvider(
        resource=Resource.create({"service.name": SERVICE}),
        sampler=ParentBased(TraceIdRatioBased(settings.share)),
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=settings.endpoint)))
    try:
        yield _Traced(application, provider.get_tracer("polyfleet"))
    finally:
        # It sends what is left, and waits for the answer.
        await anyio.to_thread.run_sync(provider.shutdown)


class _Traced:
    def __init__(self, application: ASGIApp, tracer: Any) -> None:
        from opentelemetry.trace import SpanKind  # noqa: PLC0415
        from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415
            TraceContextTextMapPropagator,
        )

        self._application = application
        self._tracer = tracer
        self._kind = SpanKind.SERVER
        self._propagator = TraceContextTextMapPropagator()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        carried = {
            name.decode(): value.decode("latin-1")
            for name, value in scope["headers"]
            if name in _CARRIED
        }
        status = 0

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with self._tracer.start_as_current_span(
            scope["method"],
            context=self._propagator.extract(carried),
            kind=self._kind,
            record_exception=False,
        ) as span:
            await self._application(scope, receive, observed)
            route = getattr(scope.get("route"), "path", None)
            if route is not None:
                span.update_name(f"{scope['method']} {route}")
                span.set_attribute("http.route", route)
            span.set_attribute("http.request.method", scope["method"])
            span.set_attribute("http.response.status_code", status)
            span.set_attribute("polyfleet.request_id", request_id.get())
            if status >= _SERVER_FAULT:
                span.set_attribute("error.type", str(status))
