"""Domain: a host name that leads to an application."""

from polyfleet.fleet.objects.metadata import ObjectMeta, Status, View


class DomainSpec(View, frozen=True, kw_only=True):
    """A host name and where it leads."""

    application: str
    domain: str
    owner: str = ""
    created_at: str = ""


class Domain(View, frozen=True, kw_only=True):
    """A Domain as the cache holds it."""

    metadata: ObjectMeta
    spec: DomainSpec
    status: Status = Status()
