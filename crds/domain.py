"""Domain: a host name that leads to an application; its object name makes it unique."""

from typing import Annotated, ClassVar

from polyfleet.crds.base import APPLICATION, READY, REASON, Column, CustomResource, Names, Part
from polyfleet.crds.conditions import Status
from polyfleet.crds.schema import Rule
from polyfleet.crds.types import IMMUTABLE_SPEC, ApplicationName, CreatedAt, HostName, UserName


class DomainSpec(Part):
    """A host name and where it leads."""

    application: ApplicationName
    """The application that it leads to."""
    domain: HostName
    """The host name."""
    owner: UserName | None = None
    """Who added it."""
    created_at: CreatedAt | None = None
    """When it was added, in microseconds; absent: the object's creation."""


class DomainStatus(Status):
    """What Polyfleet observed."""


class Domain(CustomResource):
    """A host name that leads to an application."""

    names: ClassVar[Names] = Names("Domain", "domains", ("dom",))
    columns: ClassVar[tuple[Column, ...]] = (
        Column("Domain", ".spec.domain"),
        APPLICATION,
        Column("Owner", ".spec.owner"),
        READY,
        REASON,
    )
    # Uniqueness is the name of the object.
    root_rules: ClassVar[tuple[Rule, ...]] = (
        *CustomResource.root_rules,
        Rule(
            "self.spec.domain.size() > 63 || self.metadata.name == self.spec.domain",
            "metadata.name is the domain",
            ".spec.domain",
        ),
    )
    selectable: ClassVar[tuple[str, ...]] = (".spec.application", ".spec.domain")

    spec: Annotated[DomainSpec, IMMUTABLE_SPEC]
    """A host name and where it leads."""
    status: DomainStatus | None = None
    """What Polyfleet observed."""
