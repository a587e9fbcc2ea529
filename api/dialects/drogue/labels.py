"""Labels of clients, which are Kubernetes' own labels, beside those that are not theirs."""

import re
from collections.abc import Mapping

from polyfleet.api.core.errors import Invalid
from polyfleet.api.dialects.drogue.errors import BadSelector
from polyfleet.fleet import selectors
from polyfleet.fleet.objects.group import LabelSelector

RESERVED = (
    "polyfleet.dev",
    "kubernetes.io",
    "k8s.io",
    "kopf.dev",
    "helm.sh",
    "argoproj.io",
    "fluxcd.io",
)
MAX_LABELS = 64
_PREFIX = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_LONGEST_PREFIX = 253


def is_reserved(key: str) -> bool:
    """Say whether a label belongs to the cluster's own programs: clients neither see nor set it."""
    prefix, slash, _ = key.partition("/")
    if not slash:
        return False
    return any(prefix == domain or prefix.endswith(f".{domain}") for domain in RESERVED)


def shown(labels: Mapping[str, str]) -> dict[str, str]:
    """Return the labels that clients see, in order."""
    return {key: labels[key] for key in sorted(labels) if not is_reserved(key)}


def merged(present: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """Return all labels of an object whose client gave these in place of the earlier ones."""
    return {key: value for key, value in present.items() if is_reserved(key)} | dict(given)


def check(labels: Mapping[str, str]) -> None:
    """Raise Invalid for labels that Kubernetes would refuse, and for reserved ones."""
    if len(labels) > MAX_LABELS:
        raise Invalid("metadata.labels", f"has more than {MAX_LABELS} entries")
    for key, value in labels.items():
        field = f"metadata.labels.{key}"
        prefix, slash, name = key.rpartition("/")
        if slash and (len(prefix) > _LONGEST_PREFIX or not _PREFIX.fullmatch(prefix)):
            raise Invalid(field, "the part before the slash must be a DNS name")
        if not _NAME.fullmatch(name):
            raise Invalid(field, "must be 1 to 63 letters, digits, '-', '_' and '.'")
        if value and not _NAME.fullmatch(value):
            raise Invalid(field, "the value must be at most 63 letters, digits, '-', '_' and '.'")
        if is_reserved(key):
            raise Invalid(field, "is reserved for programs of the cluster")


def selector_of(texts: list[str]) -> LabelSelector | None:
    """Read the query parameter `labels`, given once or several times; None if it selects all.

    Raises BadSelector, also where a reserved label is asked for: nobody sees those.
    """
    text = ",".join(part for part in texts if part.strip())
    if not text:
        return None
    try:
        selector = selectors.parse(text)
    except ValueError as error:
        raise BadSelector("labels", str(error)) from None
    for requirement in selector.match_expressions:
        if is_reserved(requirement.key):
            raise BadSelector("labels", f"the label {requirement.key} is reserved")
    return selector
