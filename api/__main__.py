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
    """Return the bound sockets: the clients' first, then those of the operations, if set."""
    # One socket for both families would show a client of IPv4 as ::ffff:10.0.0.7, which is in no
    # network of trusted proxies.
    hosts = ("::", "0.0.0.0") if settings.host == "::" else (settings.host,)  # noqa: S104 - all is asked for
    listeners: list[socket.socket] = []
    try:
        for port in (settings.port, settings.operations_port):
            if port is None:
                continue
            first = bind(hosts[0], port)
            listeners.append(first)
            listeners.extend(bind(host, first.getsockname()[1]) for host in hosts[1:])
    except OSError:
        for listener in listeners:
            listener.close()
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
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
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
