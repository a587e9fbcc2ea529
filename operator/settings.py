"""Settings of the operator, read from the environment: `POLYFLEET_<NAME>`."""

import socket
import uuid
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

_DAY = 86_400.0
_HOST = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"


def _split(value: object) -> object:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _identity() -> str:
    return f"{socket.gethostname()}_{uuid.uuid4()}"


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]


class Settings(BaseSettings):
    """All settings of one operator process; times are in seconds."""

    model_config = SettingsConfigDict(
        env_prefix="POLYFLEET_", extra="ignore", use_attribute_docstrings=True
    )

    namespace: str = "polyfleet"
    """The namespace of the installation, which should be Polyfleet's own."""
    kubeconfig: Path | None = None
    """Else `KUBECONFIG`, else the service account of the pod."""
    default_application: str = Field(
        default="default", pattern=r"^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$"
    )
    """The Application that is made at the start if it is absent."""
    attribute_labels: Names = ("rdfm.hardware.devtype",)
    """Attributes that are mirrored as labels `attr.polyfleet.dev/<name>`."""

    operator_host: str = "127.0.0.1"
    """Where the probes and the metrics are served."""
    operator_port: int = Field(default=0, ge=0, le=65_535)
    """0 is any free port; the log tells which."""
    operator_workers: int = Field(default=16, ge=1, le=256)
    """How many objects are looked at at once."""
    operator_writes_per_second: float = Field(default=100.0, gt=0)
    """The budget for writes to single devices."""
    operator_identity: str = Field(default_factory=_identity)
    """By which the replicas tell each other apart."""

    enrollment_lifetime: float = Field(default=7 * _DAY, gt=0)
    """How long a device may stay away before its request to be let in is dropped."""
    expiry_grace: float = Field(default=60.0, ge=0)
    """How long expired commands and tokens are kept."""
    claim_sweep_interval: float = Field(default=300.0, gt=0)
    """How often names that nobody uses are taken back."""

    workloads_namespace: str | None = Field(
        default=None, pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
    )
    """Where applications run, if not in the namespace of the installation."""
    workload_domain: str | None = Field(default=None, pattern=_HOST)
    """Each application is also reached as `<application>.<this>`; absent: by its Domains only."""
    reserved_hosts: Names = ()
    """The facade's own host names: no Domain may be one of these or below."""
    ingress_class: str | None = None
    """The class of Ingresses; absent: the cluster's default."""
    workload_deadline: int = Field(default=120, ge=1, le=86_400)
    """How long a release has to become available before the last good one is deployed again."""
    workload_pull_deadline: int = Field(default=600, ge=0, le=86_400)
    """How much longer it has while its image may be being pulled."""
    workload_settle: int = Field(default=5, ge=0, le=600)
    """How long a process without a probe has to run before it counts as available."""
    workload_grace: int = Field(default=30, ge=0, le=3600)
    """How long a process has to end after it was asked to."""
    workload_resync: float = Field(default=600.0, gt=0)
    """After how long the objects of a workload are applied again without any change."""
    config_sweep_interval: float = Field(default=300.0, gt=0)
    """How often Secrets of configurations and passwords that nothing names are looked for."""
    config_orphan_age: float = Field(default=300.0, ge=0)
    """How old such a Secret is before it is deleted: what names it may be about to be made."""
    run_sweep_interval: float = Field(default=60.0, gt=0)
    """How often one-off commands that nobody waits for any more are looked for."""
    run_grace: float = Field(default=120.0, ge=0)
    """How long after its deadline the Pod of such a command is deleted."""

    lease_duration: float = Field(default=10.0, ge=1)
    """After how long without a sign of life another replica takes over; a fifth more at most."""
    sync_timeout: float = Field(default=120.0, gt=0)
    """How long the first filling of the cache may take."""
    stale_after: float = Field(default=90.0, gt=0)
    """How long the API server may be silent before this process is unready."""
    shutdown_timeout: float = Field(default=5.0, gt=0)
    """How long work under way has to end; only then does another replica take over."""

    log_format: Literal["json", "console"] = "json"
    """One JSON object a line, or lines for people."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """What is less urgent than this is not logged."""
