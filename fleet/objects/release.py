"""Release: a numbered pair of a build and a configuration."""

from polyfleet.fleet.objects.metadata import ObjectMeta, Status, View


class ReleaseConfiguration(View, frozen=True, kw_only=True):
    """The configuration of a release; the values are in the Secret of that name."""

    uuid: str
    owner: str = ""
    created: str = ""
    memory: dict[str, str] = {}
    cpu: dict[str, int] = {}
    tags: dict[str, str] = {}
    secret_name: str | None = None


class ReleaseSpec(View, frozen=True, kw_only=True):
    """A numbered pair, never changed; `change` is the wish that it was made for."""

    application: str
    version: int
    config: ReleaseConfiguration
    uuid: str | None = None
    owner: str = ""
    created_at: str = ""
    summary: str = ""
    build: str | None = None
    change: str | None = None
    rollback_of: int | None = None


class Release(View, frozen=True, kw_only=True):
    """A Release as the cache holds it."""

    metadata: ObjectMeta
    spec: ReleaseSpec
    status: Status = Status()

    @property
    def uuid(self) -> str:
        """Its name in the Deis API."""
        return self.spec.uuid or self.metadata.uid
