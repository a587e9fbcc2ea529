"""What the API server means when it refuses an object of an application."""

_QUOTA = "exceeded quota"


def is_over_quota(message: str) -> bool:
    """Say whether a refusal is a ResourceQuota's; it has no reason of its own, only these words."""
    return _QUOTA in message
