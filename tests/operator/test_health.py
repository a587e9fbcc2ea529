"""Where the operator's probes and metrics answer."""

import aiohttp
from prometheus_client import CollectorRegistry

from polyfleet.local.ports import free_port
from polyfleet.operator.health import serve_health


async def test_every_address_is_one_of_ipv4_too() -> None:
    """The kubelet asks at the pod's first address, of whichever family that is."""
    serving = serve_health("::", free_port(), alive=list, ready=list, registry=CollectorRegistry())
    async with (
        serving as port,
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}/healthz") as answer,
    ):
        assert answer.status == 200
