"""A facade that is told to end, with another beside it: nobody's request fails."""

import asyncio
import signal
import time
from pathlib import Path

import httpx
import pytest

from polyfleet.local.control_plane import ControlPlane
from tests.faults.service import balanced, beside
from tests.faults.site import PATIENCE, Site, site_at, wait_for

CLIENTS = 6
APPS = "/api/registry/v1alpha1/apps"
WAIT = "/api/command/v1alpha1/inbox/apps/ending/devices/waiting?timeout=300"
pytestmark = pytest.mark.timeout(900)


def test_requests_are_answered_while_facades_are_told_to_end(
    plane: ControlPlane, tmp_path: Path
) -> None:
    with (
        site_at(plane.kubeconfig, tmp_path / "site", operators=0) as site,
        balanced([each.port for each in site.facades]) as url,
        beside() as thread,
    ):
        site.wait_ready()
        prepare(site)
        load = Load(url, site.token)
        running = asyncio.run_coroutine_threadsafe(load.run(), thread.loop)
        for facade in site.facades:
            wait_for(lambda: load.answered > 10 * CLIENTS, lambda: f"{load.answered} answers")
            long = Long(facade.url, site.token)
            waiting = asyncio.run_coroutine_threadsafe(long.wait_for_command(), thread.loop)
            uploading = asyncio.run_coroutine_threadsafe(long.upload(), thread.loop)
            wait_for(lambda long=long: long.begun == 2, lambda: "both have begun")
            time.sleep(1)
            facade.signal(signal.SIGTERM)
            wait_for(lambda facade=facade: not facade.listens(), lambda: "it takes no more")
            thread.loop.call_soon_threadsafe(long.go_on.set)
            assert waiting.result(PATIENCE) == 404
            assert uploading.result(PATIENCE) == 200
            wait_for(lambda facade=facade: not facade.running, facade.tail)
            facade.start()
            facade.wait_ready()
            load.answered = 0
        load.over.set()
        running.result(PATIENCE)
        assert not load.failed


def prepare(site: Site) -> None:
    """Make a device that waits for commands."""
    headers = {"Authorization": f"Bearer {site.token}"}
    url = site.facades[0].url
    with httpx.Client(base_url=url, headers=headers, timeout=60, trust_env=False) as people:
        reply = people.post(APPS, json={"metadata": {"name": "ending"}})
        assert reply.status_code == 201, reply.text
        body = {"metadata": {"application": "ending", "name": "waiting"}}
        reply = people.post(f"{APPS}/ending/devices", json=body)
        assert reply.status_code == 201, reply.text


class Load:
    """People who read and write without a pause, over connections that they keep.

    Where a connection breaks before an answer, they ask once more: as clients must whose request
    crosses the end of a connection on its way.
    """

    def __init__(self, url: str, token: str) -> None:
        self.over = asyncio.Event()
        self.answered = 0
        self.again = 0
        self.failed: list[str] = []
        self._client = {
            "base_url": url,
            "headers": {"Authorization": f"Bearer {token}"},
            "timeout": 60,
            "trust_env": False,
        }

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for number in range(CLIENTS):
                tasks.create_task(self._ask(f"ending-{number}"))

    async def _ask(self, name: str) -> None:
        async with httpx.AsyncClient(**self._client) as client:  # type: ignore[arg-type]
            await self._once(client, "POST", APPS, json={"metadata": {"name": name}})
            number = 0
            while not self.over.is_set():
                number += 1
                await self._once(client, "GET", "/api/v2/groups")
                body = {"metadata": {"name": name, "labels": {"round": str(number)}}}
                await self._once(client, "PUT", f"{APPS}/{name}", json=body)

    async def _once(
        self, client: httpx.AsyncClient, method: str, path: str, **options: object
    ) -> None:
        for attempt in (1, 2):
            try:
                reply = await client.request(method, path, **options)  # type: ignore[arg-type]
            except httpx.TransportError as error:
                self.again += 1
                if attempt == 2:
                    self.failed.append(f"{method} {path}: {error!r}")
                continue
            self.answered += 1
            # A replica that has not heard of the new application yet says so.
            if reply.status_code >= 400 and reply.status_code not in {404, 409}:
                self.failed.append(f"{method} {path}: {reply.status_code} {reply.text}")
            return


class Long:
    """Requests that last: both are under way when the facade is told to end."""

    def __init__(self, url: str, token: str) -> None:
        self.begun = 0
        self.go_on = asyncio.Event()
        self._client = httpx.AsyncClient(
            base_url=url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=2 * PATIENCE,
            trust_env=False,
        )

    async def wait_for_command(self) -> int:
        self.begun += 1
        return (await self._client.get(WAIT)).status_code

    async def upload(self) -> int:
        """Upload a package whose second half comes only once the facade was told to end."""
        frame = "frame"
        fields = {"rdfm.software.version": "v1", "rdfm.hardware.devtype": "any"}
        head = "".join(
            f'--{frame}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in fields.items()
        )
        head += f'--{frame}\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'

        async def body() -> object:
            yield head.encode() + b"first"
            self.begun += 1
            await self.go_on.wait()
            yield f"second\r\n--{frame}--\r\n".encode()

        reply = await self._client.post(
            "/api/v1/packages",
            content=body(),  # type: ignore[arg-type]
            headers={"Content-Type": f"multipart/form-data; boundary={frame}"},
        )
        return reply.status_code
