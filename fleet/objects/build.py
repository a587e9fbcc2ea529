"""Build: an image that an application can run."""

from polyfleet.fleet.objects.metadata import ObjectMeta, Status, View


class BuildSpec(View, frozen=True, kw_only=True):
    """A given image and how it is started; `procfile` has the command by process type."""

    application: str
    image: str
    uuid: str | None = None
    owner: str = ""
    created_at: str = ""
    sha: str = ""
    procfile: dict[str, str] = {}
    dockerfile: str = ""


class Build(View, frozen=True, kw_only=True):
    """A Build as the cache holds it."""

    metadata: ObjectMeta
    spec: BuildSpec
    status: Status = Status()

    @property
    def uuid(self) -> str:
        """Its name in the Deis API."""
        return self.spec.uuid or self.metadata.uid
