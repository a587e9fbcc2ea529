"""Takes away what `up` brought up, by the recorded process ids and no others."""

import shutil

from polyfleet.local.cluster import ClusterKind, open_cluster
from polyfleet.local.progress import StepProgress
from polyfleet.local.services import ServiceRunner
from polyfleet.local.up import FACADE, OPERATOR, Plan


def down(plan: Plan) -> bool:
    """Stop everything and remove the folder; return False where there was nothing.

    An existing cluster keeps what was installed there.
    """
    state = plan.state()
    if not state.file.exists():
        return False
    runner = ServiceRunner(state, plan.directory)
    for name in (FACADE, OPERATOR):
        with StepProgress(f"Stopping the {name}"):
            runner.stop(name)
    if kind := state.values.get("cluster"):
        with StepProgress("Stopping the control plane"):
            open_cluster(ClusterKind(kind), plan.environment, plan.directory / "cluster").stop()
    shutil.rmtree(plan.directory)
    return True
