"""With a port of their own the metrics are out of clients' reach, and nothing else is on it."""

import httpx
import pytest
import websockets.sync.client
from websockets.exceptions import InvalidStatus

from polyfleet.local.ports import free_port
from tests.facade_fixtures import StartFacade


def test_metrics_are_on_their_port_and_the_api_on_the_other(start_facade: StartFacade) -> None:
    port = free_port()
    operations = f"http://127.0.0.1:{port}"
    with start_facade(operations_port=port) as server, httpx.Client(trust_env=False) as client:
        for path in ("/metrics", "/healthz", "/readyz"):
            assert client.get(operations + path).status_code == 200
        for path in ("/", "/polyfleet/v1/whoami", "/api/v2/devices", "/nothing"):
            assert client.get(operations + path).status_code == 404
        for path in ("/healthz", "/readyz", "/"):
            assert client.get(server.url + path).status_code == 200
        for path in ("/metrics", "//metrics"):
            assert client.get(server.url + path).status_code == 404
        assert client.get(f"{server.url}/polyfleet/v1/whoami").status_code == 401
        with pytest.raises(InvalidStatus, match="403"):
            websockets.sync.client.connect(f"ws://127.0.0.1:{port}/api/v1/devices/ws", proxy=None)


def test_without_it_metrics_are_where_everything_is(start_facade: StartFacade) -> None:
    with start_facade() as server, server.client() as client:
        assert client.get("/metrics").status_code == 200
