"""Under which addresses applications are shown."""

from urllib.parse import urlsplit

from starlette.requests import Request

from polyfleet.api.core.addresses import base_url
from polyfleet.api.core.facade import Facade


def domain_of(facade: Facade, request: Request) -> str:
    """Return what applications' addresses end with: the setting, else the facade's own host."""
    configured = facade.settings.deis.domain
    if configured is not None:
        return configured
    return urlsplit(base_url(facade, request)).hostname or "localhost"
