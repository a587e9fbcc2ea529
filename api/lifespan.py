"""Starting and stopping an inner ASGI application: mounted ones get no lifespan by themselves."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.types import ASGIApp, Message

from polyfleet.kube.tasks import cancel_and_wait


@asynccontextmanager
async def lifespan_of(application: ASGIApp) -> AsyncIterator[None]:
    """Run the application's lifespan around the block; `RuntimeError` if it does not start."""
    to_application: asyncio.Queue[Message] = asyncio.Queue(maxsize=2)
    from_application: asyncio.Queue[Message] = asyncio.Queue(maxsize=2)
    scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
    task = asyncio.create_task(_run(application, scope, to_application, from_application))
    try:
        await to_application.put({"type": "lifespan.startup"})
        answer = await from_application.get()
        if answer["type"] != "lifespan.startup.complete":
            raise RuntimeError(answer.get("message") or "the application did not start")
        yield
        await to_application.put({"type": "lifespan.shutdown"})
        await from_application.get()
    finally:
        await cancel_and_wait(task)


async def _run(
    application: ASGIApp,
    scope: Message,
    receive: "asyncio.Queue[Message]",
    send: "asyncio.Queue[Message]",
) -> None:
    try:
        await application(scope, receive.get, send.put)
    except Exception as error:  # noqa: BLE001 - told to whoever waits, whatever it is
        await send.put({"type": "lifespan.startup.failed", "message": repr(error)})
