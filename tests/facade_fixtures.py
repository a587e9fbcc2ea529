"""A real facade on a real port, for tests of every dialect.

    def test_something(facade_server, admin): admin.get("/polyfleet/v1/whoami")

It runs in a thread with a loop of its own, under the chart's Role for the facade, in the test's
namespace. `running_facade` starts more of them, or one with other settings.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
import uvicorn
import uvloop

from polyfleet.api.__main__ import bind_all, server_config
from polyfleet.api.app import FacadeApplication
from polyfleet.api.core.facade import Facade
from polyfleet.api.core.identity.accounts import create_access_token
from polyfleet.api.core.identity.clock import Clock, wall_clock
from polyfleet.api.settings import Settings
from polyfleet.fleet.instants import timestamp
from polyfleet.fleet.names import object_name
from polyfleet.fleet.objects.kinds import USERS
from tests import route_record

START_SECONDS = 60.0
STOP_SECONDS = 30.0

Result = TypeVar("Result")
StartFacade = Callable[..., AbstractContextManager["FacadeServer"]]


@dataclass(frozen=True)
class FacadeServer:
    """A facade that answers at `url`; its parts are in `facade`, to be used through `call`."""

    url: str
    port: int
    settings: Settings
    facade: Facade
    loop: asyncio.AbstractEventLoop

    def call(self, work: Coroutine[Any, Any, Result], *, seconds: float = 60.0) -> Result:
        """Run a coroutine in the facade's loop, from the test's thread, and return its result."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(seconds)

    def client(self, token: str | None = None, **options: Any) -> httpx.Client:
        """Return a client of this facade; close it. `token` goes into `Authorization: Bearer`."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        headers.update(options.pop("headers", {}))
        return httpx.Client(
            base_url=self.url, headers=headers, trust_env=False, timeout=30.0, **options
        )

    def user_token(self, name: str, **spec: Any) -> str:
        """Make a user without a password and return a new access token of theirs.

        `spec` are fields of `User.spec`, such as `administrator=True` or `scopes=[…]`.
        """

        async def make() -> str:
            writer = self.facade.writer
            body = {"name": name, "createdAt": timestamp(self.facade.clock()), **spec}
            user = await writer.create(USERS, object_name(USERS.name, "", name), body)
            return (await create_access_token(writer, user)).text

        return self.call(make())


@contextmanager
def running_facade(settings: Settings, clock: Clock = wall_clock) -> Iterator[FacadeServer]:
    """Run a facade for the length of the block; fail if it does not start."""
    listeners = bind_all(settings)
    listener = listeners[0]
    config = server_config(settings, clock)
    application = config.app
    assert isinstance(application, FacadeApplication)
    server = uvicorn.Server(config)
    started = threading.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def serve() -> None:
        loops.append(asyncio.get_running_loop())
        serving = asyncio.create_task(server.serve(sockets=listeners))
        while not server.started and not serving.done():  # noqa: ASYNC110 - it has but a flag
            await asyncio.sleep(0.005)
        started.set()
        await serving

    def run() -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(serve())
        except SystemExit:
            pass  # how uvicorn ends when the application does not start: told below
        finally:
            started.set()

    thread = threading.Thread(target=run, name="facade", daemon=True)
    thread.start()
    try:
        assert started.wait(START_SECONDS), "the facade did not start in time"
        assert application.facade is not None, "the facade did not start; see its log"
        port = listener.getsockname()[1]
        yield FacadeServer(f"http://127.0.0.1:{port}", port, settings, application.facade, loops[0])
    finally:
        if server.started:
            route_record.note(f"http://127.0.0.1:{listeners[-1].getsockname()[1]}")
        server.should_exit = True
        thread.join(STOP_SECONDS)
        for each in listeners:
            each.close()
        assert not thread.is_alive(), "the facade did not stop in time"


@pytest.fixture
def start_facade(
    service_account_kubeconfig: Callable[[str], Path], namespace: str, tmp_path: Path
) -> StartFacade:
    """Provide a starter of facades in the test's namespace; its arguments are settings."""
    kubeconfig = service_account_kubeconfig("polyfleet-facade")

    def start(**changes: Any) -> AbstractContextManager[FacadeServer]:
        values: dict[str, Any] = {
            "namespace": namespace,
            "kubeconfig": kubeconfig,
            "port": 0,
            "artifacts": {"directory": tmp_path / "artifacts"},
            "shutdown_timeout": 5,
            "reports": {"patience": 60},
        }
        return running_facade(Settings(**{**values, **changes}))

    return start


@pytest.fixture
def facade_server(start_facade: StartFacade) -> Iterator[FacadeServer]:
    """Provide a running facade with ordinary settings."""
    with start_facade() as server:
        yield server


@pytest.fixture
def admin_token(facade_server: FacadeServer) -> str:
    """Provide an access token of an administrator of that facade."""
    return facade_server.user_token("admin", administrator=True)


@pytest.fixture
def admin(facade_server: FacadeServer, admin_token: str) -> Iterator[httpx.Client]:
    """Provide a client that calls that facade as an administrator, by `Bearer <token>`."""
    with facade_server.client(admin_token) as client:
        yield client
