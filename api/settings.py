"""Settings of the facade, read from the environment: `POLYFLEET_<NAME>`.

A field of a section is `POLYFLEET_<SECTION>__<NAME>`; lists are separated by commas.
"""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from polyfleet.api.core.identity.settings import IdentitySettings

MIB = 1024 * 1024
_DOMAIN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
DIALECTS = ("rdfm", "drogue", "otao", "inventory", "deis")


def _split(value: object) -> object:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]


class _Section(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True)


class S3Settings(_Section):
    """An S3-compatible bucket. Without keys, the environment's own credentials are used."""

    bucket: str
    """Name of the bucket; it must exist."""
    endpoint: str | None = None
    """Address of the service; absent: AWS."""
    region: str = "us-east-1"
    """Region of the bucket."""
    access_key_id: str | None = None
    """Who we are to the service."""
    secret_access_key: SecretStr | None = None
    """The secret that belongs to it."""
    path_style: bool = True
    """Whether the bucket's name is a part of the path, not of the host name."""


class ArtifactSettings(BaseSettings):
    """Where package files are kept, and who may fetch them.

    The section also reads `POLYFLEET_ARTIFACTS_<NAME>`, the form that is common in charts.
    """

    model_config = SettingsConfigDict(
        env_prefix="POLYFLEET_ARTIFACTS_",
        env_nested_delimiter="__",
        extra="ignore",
        use_attribute_docstrings=True,
    )

    driver: Literal["local", "s3"] = "local"
    """Where files are kept: in a directory, which all replicas must share, or in a bucket."""
    directory: Path = Path("artifacts")
    """The directory of the driver local."""
    public: bool = False
    """Whether files may be fetched without a signed link."""
    link_lifetime: int = Field(default=86_400, ge=60)
    """How long a download link holds, in seconds."""
    maximum_size: int = Field(default=4 * 1024 * MIB, ge=1)
    """The largest file, in bytes."""
    s3: S3Settings | None = None
    """The bucket of the driver s3."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.driver == "s3" and self.s3 is None:
            raise ValueError("the driver s3 needs a bucket: POLYFLEET_ARTIFACTS__S3__BUCKET")
        return self


class EnrollmentSettings(_Section):
    """How many devices may wait to be let in."""

    maximum: int = Field(default=10_000, ge=1)
    """Devices that may wait in all."""
    maximum_per_source: int = Field(default=1_000, ge=1)
    """Devices of one source that may wait: an IPv4 address, or the first 64 bits of an IPv6 one."""
    maximum_per_device: int = Field(default=64, ge=1)
    """Keys offered under one device id."""


class ReportSettings(_Section):
    """How often one device's reports are written: a burst, then one per interval."""

    burst: int = Field(default=30, ge=1)
    """Reports of one device that are written without a pause."""
    interval: float = Field(default=10.0, gt=0)
    """Seconds between two writes of one device once its burst is spent."""
    writes_per_second: float = Field(default=100.0, gt=0)
    """The budget of the reports that were put off, over all devices."""
    patience: float = Field(default=1.0, gt=0)
    """Seconds that a device waits until its report is written; a slower one is written later."""


class ActivitySettings(_Section):
    """How often a device's last sign of life is written to the API server."""

    interval: float = Field(default=300.0, gt=0)
    """Seconds between two writes of one device; stretched for fleets that are too large for it."""
    writes_per_second: float = Field(default=100.0, gt=0)
    """The budget for that, over all devices."""


class RdfmSettings(_Section):
    """What only the RDFM dialect reads."""

    refusal_delay: float = Field(default=1.0, ge=0)
    """Seconds before a bad signature is answered: clients repeat the request without a pause."""
    delayed_refusals: int = Field(default=256, ge=1)
    """How many answers may be held back at once."""


class TracingSettings(_Section):
    """Traces of requests, by OpenTelemetry; they need the extra `tracing`."""

    endpoint: str | None = Field(default=None, pattern="^https?://")
    """Where spans are sent by OTLP over HTTP, such as http://collector:4318/v1/traces."""
    share: float = Field(default=1.0, ge=0, le=1)
    """The share of the requests that are traced where the caller does not decide it."""


class DrogueSettings(_Section):
    """What only the Drogue dialect reads."""

    command_lifetime: float = Field(default=300.0, gt=0, le=86_400)
    """Seconds for which a command may be delivered and answered."""
    longest_wait: float = Field(default=300.0, gt=0)
    """Seconds that a device may wait for a command in one request."""
    waiting_devices: int = Field(default=20_000, ge=1)
    """How many requests may wait for commands in one process."""


class DeisSettings(_Section):
    """What only the Deis dialect reads."""

    registration: Literal["enabled", "admin_only", "disabled"] = "admin_only"
    """Who may register: everybody, administrators for others, or nobody."""
    domain: str | None = Field(default=None, pattern=_DOMAIN)
    """Applications are shown at `<id>.<domain>`; absent: the host name of the facade itself.

    The operator's `workload_domain` should be the same: the chart's `applications.domain` is both.
    """
    builder_key: SecretStr | None = None
    """What the builder proves itself with in `X-Deis-Builder-Auth`; absent: nobody is it."""
    patience: float = Field(default=3.0, ge=0, le=60)
    """Seconds for which the answer to a change of what runs may wait until it runs or fails."""
    run_timeout: int = Field(default=600, ge=1, le=86_400)
    """Seconds that a one-off command may take, the start of its container included."""
    runs: int = Field(default=16, ge=1)
    """How many one-off commands may be waited for in one process."""
    followers: int = Field(default=64, ge=1)
    """How many logs may be followed in one process."""
    longest_follow: float = Field(default=3600.0, gt=0)
    """Seconds after which a log is followed no longer."""


class Settings(BaseSettings):
    """All settings of one facade process."""

    model_config = SettingsConfigDict(
        env_prefix="POLYFLEET_",
        env_nested_delimiter="__",
        extra="ignore",
        use_attribute_docstrings=True,
    )

    namespace: str = "polyfleet"
    """The namespace of the installation, which should be Polyfleet's own."""
    kubeconfig: Path | None = None
    """Else `KUBECONFIG`, else the service account of the pod."""
    host: str = "127.0.0.1"
    """The address to listen on; `::` is every address, those of IPv4 too."""
    port: int = Field(default=8080, ge=0, le=65_535)
    """The port to listen on; 0 is any free one."""
    operations_port: int | None = Field(default=None, ge=1, le=65_535)
    """A port of its own for the metrics, which are then not on the other; probes are on both."""
    public_url: str | None = None
    """The address under which clients reach the facade; absent: the one that a request used."""
    trusted_proxies: Names = ()
    """Addresses whose X-Forwarded-For and -Proto are believed."""
    default_application: str = Field(
        default="default", pattern=r"^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$"
    )
    """The Application of dialects that know none; it is made if it is absent."""
    workloads_namespace: str | None = Field(
        default=None, pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
    )
    """Where applications run, if not in the namespace of the installation; as the operator's."""
    insecure: bool = False
    """For development only: every caller is an administrator."""

    dialects_off: Names = ()
    """Dialects that are not served."""
    attribute_labels: Names = ("rdfm.hardware.devtype",)
    """Attributes that are mirrored as labels `attr.polyfleet.dev/<name>`."""
    maximum_body: int = Field(default=MIB, ge=1024)
    """The largest request body in bytes, file uploads aside."""
    stale_after: float = Field(default=90.0, gt=0)
    """Seconds without progress of a watch after which no offers are made."""
    sync_timeout: float = Field(default=120.0, gt=0)
    """Seconds that the first filling of the cache may take."""
    shutdown_timeout: int = Field(default=20, ge=0)
    """Seconds that open requests have to end, and then pending reports to be written."""
    log_format: Literal["json", "console"] = "json"
    """One JSON object a line, or lines for people."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """What is less urgent than this is not logged."""
    audit: bool = True
    """Whether each management call that is no reading leaves a line in the log, at any level."""

    artifacts: ArtifactSettings = Field(default_factory=ArtifactSettings)
    identity: IdentitySettings = IdentitySettings()
    enrollment: EnrollmentSettings = EnrollmentSettings()
    reports: ReportSettings = ReportSettings()
    activity: ActivitySettings = ActivitySettings()
    rdfm: RdfmSettings = RdfmSettings()
    drogue: DrogueSettings = DrogueSettings()
    deis: DeisSettings = DeisSettings()
    tracing: TracingSettings = TracingSettings()

    @field_validator("public_url")
    @classmethod
    def _url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if not value.startswith(("http://", "https://")):
            raise ValueError("must begin with http:// or https://")
        return value.rstrip("/")

    @field_validator("dialects_off")
    @classmethod
    def _dialects(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = sorted(set(value) - set(DIALECTS))
        if unknown:
            raise ValueError(f"no such dialect: {', '.join(unknown)} (of {', '.join(DIALECTS)})")
        return value
