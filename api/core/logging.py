"""Structured logs: one JSON object a line, or colours on a console.

Requests are known by an id that every line they cause carries. Bodies, headers and query
strings are never logged: they hold credentials.
"""

import logging
import re
import sys
from contextvars import ContextVar
from typing import Literal, TypeGuard

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

request_id: ContextVar[str] = ContextVar("polyfleet_request_id", default="")

AUDIT = "polyfleet.audit"
"""The logger of who changed what."""

_LIBRARIES = ("uvicorn", "uvicorn.error", "aiohttp", "kubernetes")
# Kaa's devices carry their token in the path.
_SECRET_PATHS = re.compile(r"^(/+(?:kp1|kpc))/.*", re.DOTALL)
_TRACEBACKS = structlog.processors.ExceptionRenderer(
    structlog.tracebacks.ExceptionDictTransformer(show_locals=False)  # locals hold credentials
)


def configure_logging(
    log_format: Literal["json", "console"], level: str, *, audit: bool = True
) -> None:
    """Send our own logs and the libraries' to standard error in one form.

    With `audit`, the lines of the audit log are written whatever the level is.
    """
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        _add_request_id,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: list[Processor]
    if log_format == "json":
        renderer = [_TRACEBACKS, structlog.processors.JSONRenderer()]
    else:
        renderer = [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            )
        ]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.getLogger(AUDIT).setLevel(logging.INFO if audit else logging.CRITICAL)
    for name in _LIBRARIES:
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
        library.addFilter(_without_secrets)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _without_secrets(record: logging.LogRecord) -> bool:
    """Cut credentials off each path in a library's message; uvicorn names WebSockets in full."""
    if isinstance(record.args, tuple):
        record.args = tuple(
            _SECRET_PATHS.sub(r"\1/…", argument.partition("?")[0])
            if _is_path(argument)
            else argument
            for argument in record.args
        )
    return True


def _is_path(argument: object) -> TypeGuard[str]:
    return isinstance(argument, str) and argument.startswith("/")


def _add_request_id(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    current = request_id.get()
    if current:
        event["request_id"] = current
    return event
