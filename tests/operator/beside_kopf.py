"""A program: kopf in its thread, while the main loop asks for the API server's token all the time.

Its arguments are a kubeconfig and a namespace. It writes what kopf was the first to wake.
"""

import asyncio
import sys
from pathlib import Path

from polyfleet.kube.configuration import load_connection
from polyfleet.kube.tasks import cancel_and_wait
from polyfleet.kube.tokens import TokenSource
from polyfleet.operator.handlers.runner import KopfThread
from polyfleet.operator.queue import Key


async def ask_all_the_time(source: TokenSource) -> None:
    while True:
        await source.token()


async def main(kubeconfig: Path, namespace: str) -> None:
    connection = load_connection(kubeconfig)
    source = connection.token
    assert source is not None
    woken: asyncio.Queue[str] = asyncio.Queue()

    async def wake(key: Key, _: str) -> None:
        await woken.put(f"{key.controller} {key.name}")

    # More than one, or else a lock is never waited for.
    asking = [asyncio.create_task(ask_all_the_time(source)) for _ in range(3)]
    async with KopfThread(connection, namespace, wake) as kopf:
        heard, ended = asyncio.create_task(woken.get()), asyncio.create_task(kopf.wait_ended())
        done, _ = await asyncio.wait({heard, ended, *asking}, return_when="FIRST_COMPLETED")
        for task in done - {heard}:
            task.result()
        sys.stdout.write(f"{await heard}\n")
        await cancel_and_wait(ended, *asking)


asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
