"""Takes away the Pods of one-off commands whose facade died before it could do so."""

from contextlib import suppress
from datetime import timedelta

from polyfleet.fleet.objects.kinds import PODS
from polyfleet.fleet.workloads.runs import is_left_over
from polyfleet.kube.errors import NotFound
from polyfleet.operator.context import Context


async def sweep(context: Context, _: str) -> float | None:
    """Delete the Pods that nobody waits for any more; return when to look again."""
    workloads, grace = context.workloads, timedelta(seconds=context.settings.run_grace)
    owned, now = workloads.client.namespace == context.client.namespace, context.clock()
    for pod in list(workloads.cache.store(PODS).values()):
        if is_left_over(pod, owned=owned, grace=grace, now=now):
            with suppress(NotFound):
                await workloads.client.delete(PODS, pod.metadata.name, uid=pod.metadata.uid)
    return context.settings.run_sweep_interval
