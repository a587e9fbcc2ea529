"""Where things are on the API server: built-in resources, and the paths of all."""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from polyfleet.fleet.objects.kinds import Kind

_LONGEST_NAME = 253
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")


@dataclass(frozen=True)
class Resource:
    """A built-in resource, handled as plain JSON documents."""

    api_version: str
    plural: str
    name: str
    namespaced: bool = True


CONFIG_MAPS = Resource("v1", "configmaps", "ConfigMap")
SECRETS = Resource("v1", "secrets", "Secret")
EVENTS = Resource("events.k8s.io/v1", "events", "Event")
LEASES = Resource("coordination.k8s.io/v1", "leases", "Lease")
SERVICE_ACCOUNTS = Resource("v1", "serviceaccounts", "ServiceAccount")
NETWORK_POLICIES = Resource("networking.k8s.io/v1", "networkpolicies", "NetworkPolicy")
TOKEN_REVIEWS = Resource(
    "authentication.k8s.io/v1", "tokenreviews", "TokenReview", namespaced=False
)


def collection_path(resource: Kind[Any] | Resource, namespace: str) -> str:
    """Return the path under which all objects of a resource are."""
    version = resource.api_version
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    if isinstance(resource, Resource) and not resource.namespaced:
        return f"{root}/{resource.plural}"
    return f"{root}/namespaces/{quote(namespace, safe='')}/{resource.plural}"


def is_object_name(name: str) -> bool:
    """Whether an object can have that name; others must never get into a path."""
    return len(name) <= _LONGEST_NAME and _NAME.fullmatch(name) is not None
