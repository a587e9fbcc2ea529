"""What applications that run cost the operator: memory, and the time to bring all of them to run.

    python -m benchmarks.workload_memory [applications]

Each application has a Build, and gets a Release and its Kubernetes objects, on a control plane of
its own. There is no node and no kube-controller-manager, so there are no Pods.
"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.stand import NAMESPACE, OPERATOR, Stand
from polyfleet.fleet.objects.kinds import APPLICATIONS, BUILDS, DEPLOYMENTS
from polyfleet.kube.client import Client
from polyfleet.kube.configuration import load_connection
from polyfleet.kube.parallel import for_each
from polyfleet.local.progress import StepProgress

APPLICATIONS_COUNT = 1000
_POLL_SECONDS = 2.0
_MIB = 2**20


async def make(client: Client, count: int) -> None:
    """Create applications, each with a Build."""

    async def one(number: int) -> None:
        name = f"shop-{number:05d}"
        spec = {"name": name, "config": {"memory": {"web": "64M"}}}
        await client.create(APPLICATIONS, {"metadata": {"name": name}, "spec": spec})
        build = {"application": name, "image": "registry/shop:1", "procfile": {"web": "serve"}}
        await client.create(BUILDS, {"metadata": {"name": f"{name}-1"}, "spec": build})

    await for_each(range(count), one, workers=8)


async def running(client: Client) -> int:
    """Return how many applications have a Deployment and say which release it is of."""
    found = 0
    async for page in client.list_pages(APPLICATIONS):
        found += sum(item.status.release > 0 for item in page.items)
    deployments = 0
    async for listed in client.list_pages(DEPLOYMENTS):
        deployments += len(listed.items)
    return min(found, deployments)


async def measure(stand: Stand, count: int) -> None:
    """Print the figures."""
    connection = load_connection(stand.administrator)
    async with Client(connection, namespace=NAMESPACE, field_manager="benchmarks") as client:
        stand.start_service(OPERATOR)
        empty = stand.watched.resident()[OPERATOR]
        with StepProgress(f"{count:,} applications"):
            await make(client, count)
        started = time.monotonic()
        with StepProgress("Releases and Deployments"), stand.watched.measured() as usage:
            while await running(client) < count:  # noqa: ASYNC110 - of another process
                await asyncio.sleep(_POLL_SECONDS)
        seconds = time.monotonic() - started
        full = stand.watched.resident()[OPERATOR]
        ready = stand.start_service(OPERATOR)
        fresh = stand.watched.resident()[OPERATOR]
    print(f"applications                        {count:>8,}")
    print(f"operator without any                {empty / _MIB:>8,.0f} MiB")
    print(f"operator after deploying all        {full / _MIB:>8,.0f} MiB")
    print(f"operator started anew, when ready   {fresh / _MIB:>8,.0f} MiB, after {ready:.1f} s")
    print(f"from created to all deployed        {seconds:>8,.0f} s")
    print(f"operator's CPU for each             {usage.cpu[OPERATOR] / count * 1000:>8,.1f} ms")


def main() -> None:
    """Measure on a control plane of its own."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else APPLICATIONS_COUNT
    with (
        tempfile.TemporaryDirectory(prefix="polyfleet-bench-") as directory,
        Stand(Path(directory)) as stand,
    ):
        asyncio.run(measure(stand, count))


if __name__ == "__main__":
    main()
