"""`python -m polyfleet.api`: run the facade, configured by the environment."""

import signal
import socket
import sys
from typing import cast

import structlog
import uvicorn
from pydantic import ValidationError

from polyfleet.api.app import FacadeApplication, create_app
from polyfleet.api.core.identity.clock import Clock, wall_clock
from polyfleet.api.core.logging import configure_logging
from polyfleet.api.protocol import BoundedProtocol
from polyfleet.api.server import FacadeServer
from polyfleet.api.settings import Settings
from polyfleet.kube.garbage import collect_rarely

_BACKLOG = 2048
_KEEPALIVE_IDLE = 60
_KEEPALIVE_INTERVAL = 15
_KEEPALIVE_PROBES = 4


def main() -> int:
    """Serve until told to stop; return the exit status."""
    try:
        settings = Settings()
    except ValidationError as error:
        print(f"the settings are not valid: {error}", file=sys.stderr)  # noqa: T201 - no log yet
        return 2
    configure_logging(settings.log_format, settings.log_level, audit=settings.audit)
    log = structlog.get_logger("polyfleet.api")
    try:
        listeners = bind_all(settings)
    except OSError as error:
        log.error("cannot listen", host=settings.host, port=settings.port, error=str(error))  # noqa: TRY400 - the address says it all
        return 1
    config = server_config(settings)
    server = FacadeServer(config, cast("FacadeApplication", config.app))
    log.info("starting", host=settings.host, port=listeners[0].getsockname()[1])
    # Uvicorn repeats the signal that ended it; by then all is done that it should cause.
    for stop in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stop, lambda *_: None)
    collect_rarely()
    server.run(sockets=listeners)
    return 0 if server.started else 1


def server_config(settings: Settings, clock: Clock = wall_clock) -> uvicorn.Config:
    """Return how uvicorn serves the facade."""
    return uvicorn.Config(
        create_app(settings, clock),
        loop="uvloop",
        http=BoundedProtocol,
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=True,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        timeout_keep_alive=75,
        timeout_graceful_shutdown=settings.shutdown_timeout,
        ws_max_size=settings.maximum_body,
        ws_ping_interval=25,
        ws_ping_timeout=25,
        backlog=_BACKLOG,
    )


def bind_all(settings: Settings) -> list[socket.socket]:
    """Return the bound sockets: the clients' first, then that of the operations, if it is set."""
    listeners = [bind(settings.host, settings.port)]
    if settings.operations_port is not None:
        try:
            listeners.append(bind(settings.host, settings.operations_port))
        except OSError:
            listeners[0].close()
            raise
    return listeners


def bind(host: str, port: int) -> socket.socket:
    """Return a bound socket whose connections find dead peers by TCP keepalive.

    It does not listen yet: until the facade has started, clients are refused at once rather than
    kept waiting.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in (
            ("TCP_KEEPIDLE", _KEEPALIVE_IDLE),
            ("TCP_KEEPINTVL", _KEEPALIVE_INTERVAL),
            ("TCP_KEEPCNT", _KEEPALIVE_PROBES),
        ):
            if hasattr(socket, option):
                listener.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener


if __name__ == "__main__":
    sys.exit(main())
