"""Resource versions, which are comparable numbers within one kind since Kubernetes 1.35."""


def version_number(resource_version: str) -> int:
    """Return the number that a resourceVersion is; 0 if there is none."""
    return int(resource_version) if resource_version else 0
