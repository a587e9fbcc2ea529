"""Package: what kopf sees of it."""

import kopf

from polyfleet.operator.handlers.registration import Wake, register_kind

PLURAL = "packages"


def register(registry: kopf.OperatorRegistry, wake: Wake) -> None:
    """Have Packages looked at when their spec changed."""
    register_kind(registry, PLURAL, wake)
