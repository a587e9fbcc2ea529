"""What the operator reads of Kubernetes' own kinds, and no more: there can be many Pods."""

from polyfleet.fleet.objects.metadata import (
    APPLICATION_UID_LABEL,
    PROCESS_LABEL,
    RELEASE_LABEL,
    ObjectMeta,
    View,
)


class OwnerReference(View, frozen=True, kw_only=True):
    """Whom an object belongs to."""

    uid: str
    controller: bool = False


class OwnedMeta(ObjectMeta, frozen=True, kw_only=True):
    """The metadata of an object that somebody made for another."""

    owner_references: tuple[OwnerReference, ...] = ()

    @property
    def controller_uid(self) -> str | None:
        """The uid of the object that controls it."""
        return next((owner.uid for owner in self.owner_references if owner.controller), None)

    @property
    def application_uid(self) -> str:
        """The uid of the Application that it was made for, by its label."""
        return self.labels.get(APPLICATION_UID_LABEL, "")

    @property
    def process_type(self) -> str:
        """The process type that it runs, by its label."""
        return self.labels.get(PROCESS_LABEL, "")

    @property
    def release(self) -> str:
        """The release that it runs, by its label: for example v3."""
        return self.labels.get(RELEASE_LABEL, "")


class WorkloadCondition(View, frozen=True, kw_only=True):
    """One aspect of a Deployment's or Pod's state."""

    type: str
    status: str
    reason: str = ""
    message: str = ""
    last_transition_time: str | None = None


class DeploymentSpec(View, frozen=True, kw_only=True):
    """How many instances are wanted, and for how long one must be ready to count as available."""

    replicas: int = 1
    min_ready_seconds: int = 0


class DeploymentStatus(View, frozen=True, kw_only=True):
    """How many instances there are; `updated` are of the newest template."""

    observed_generation: int = 0
    replicas: int = 0
    updated_replicas: int = 0
    ready_replicas: int = 0
    available_replicas: int = 0
    conditions: tuple[WorkloadCondition, ...] = ()


class Deployment(View, frozen=True, kw_only=True):
    """A Deployment as the cache holds it."""

    metadata: OwnedMeta
    spec: DeploymentSpec
    status: DeploymentStatus = DeploymentStatus()


class Waiting(View, frozen=True, kw_only=True):
    """Why a container does not run yet."""

    reason: str = ""
    message: str = ""


class Terminated(View, frozen=True, kw_only=True):
    """How a container ended."""

    reason: str = ""
    exit_code: int = 0


class ContainerState(View, frozen=True, kw_only=True):
    """How a container is; running if neither is given."""

    waiting: Waiting | None = None
    terminated: Terminated | None = None


class ContainerStatus(View, frozen=True, kw_only=True):
    """How a container is and was."""

    ready: bool = False
    restart_count: int = 0
    state: ContainerState = ContainerState()
    last_state: ContainerState = ContainerState()


class PodStatus(View, frozen=True, kw_only=True):
    """How a Pod is."""

    phase: str = ""
    conditions: tuple[WorkloadCondition, ...] = ()
    container_statuses: tuple[ContainerStatus, ...] = ()


class PodSpec(View, frozen=True, kw_only=True):
    """For how many seconds a Pod may run; None: for ever."""

    active_deadline_seconds: int | None = None


class Pod(View, frozen=True, kw_only=True):
    """A Pod as the cache holds it."""

    metadata: OwnedMeta
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


class ServiceSpec(View, frozen=True, kw_only=True):
    """Which Pods a Service leads to."""

    selector: dict[str, str] = {}


class Service(View, frozen=True, kw_only=True):
    """A Service as the cache holds it."""

    metadata: OwnedMeta
    spec: ServiceSpec = ServiceSpec()


class Ingress(View, frozen=True, kw_only=True):
    """An Ingress as the cache holds it."""

    metadata: OwnedMeta


class ScaleTarget(View, frozen=True, kw_only=True):
    """What an autoscaler scales."""

    kind: str = ""
    name: str = ""


class AutoscalerSpec(View, frozen=True, kw_only=True):
    """What an autoscaler scales."""

    scale_target_ref: ScaleTarget


class Autoscaler(View, frozen=True, kw_only=True):
    """A HorizontalPodAutoscaler as the cache holds it."""

    metadata: ObjectMeta
    spec: AutoscalerSpec


class GivenConfig(View, frozen=True, kw_only=True):
    """A Secret that people made themselves; its data is read only when it is needed."""

    metadata: ObjectMeta
