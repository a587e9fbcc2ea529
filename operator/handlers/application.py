"""Application: what kopf sees of it."""

import kopf

from polyfleet.operator.handlers.registration import Wake, register_kind

PLURAL = "applications"


def register(registry: kopf.OperatorRegistry, wake: Wake) -> None:
    """Have Applications looked at when their spec changed."""
    register_kind(registry, PLURAL, wake)
