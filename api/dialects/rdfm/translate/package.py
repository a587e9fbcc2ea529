"""Packages: RDFM's flat metadata on one side, a Package's spec on the other."""

from collections.abc import Mapping
from typing import Any

from polyfleet.api.core.errors import Invalid
from polyfleet.api.dialects.rdfm.translate.dates import birth, greenwich
from polyfleet.api.dialects.rdfm.translate.wire import canonical, exact_object, fragment
from polyfleet.fleet.attributes import TYPE_KEY, VERSION_KEY
from polyfleet.fleet.objects.package import Artifact, Package
from polyfleet.fleet.visible_text import has_controls

STORAGE_PREFIX = "rdfm.storage."
DIRECTORY_KEY = "rdfm.storage.directory"
REQUIRES_PREFIX = "requires:"
_COMPULSORY = (VERSION_KEY, TYPE_KEY)

_LONGEST_COMPULSORY = 1024
_LONGEST_REQUIRED_KEY = 256
_LONGEST_REQUIRED_VALUE = 1024
_MOST_REQUIREMENTS = 64
_LARGEST_METADATA = 65_536


def check_form(form: Mapping[str, str]) -> None:
    """Refuse an upload's metadata that lacks a key, uses a reserved one or is too large."""
    for key in _COMPULSORY:
        if not form.get(key):
            raise Invalid(key, "is required")
        if len(form[key]) > _LONGEST_COMPULSORY:
            raise Invalid(key, f"is longer than {_LONGEST_COMPULSORY} characters")
        if has_controls(form[key]):
            raise Invalid(key, "may have no control characters")
    for key, value in form.items():
        if key.startswith(STORAGE_PREFIX) and key != DIRECTORY_KEY:
            raise Invalid(key, "is reserved for the server")
        if key.startswith(REQUIRES_PREFIX):
            _check_requirement(key, value)
    if sum(key.startswith(REQUIRES_PREFIX) for key in form) > _MOST_REQUIREMENTS:
        raise Invalid(f"{REQUIRES_PREFIX}*", f"there are more than {_MOST_REQUIREMENTS} of them")


def spec_of(form: Mapping[str, str]) -> dict[str, Any]:
    """Return the part of a Package's spec that an upload's form decides."""
    check_form(form)
    requires = sorted(
        (key.removeprefix(REQUIRES_PREFIX), value)
        for key, value in form.items()
        if key.startswith(REQUIRES_PREFIX)
    )
    rest = {
        key: value
        for key, value in form.items()
        if key not in _COMPULSORY and not key.startswith((REQUIRES_PREFIX, STORAGE_PREFIX))
    }
    metadata = canonical(rest)
    if len(metadata) > _LARGEST_METADATA:
        raise Invalid("metadata", f"is larger than {_LARGEST_METADATA} characters of JSON")
    return {
        "version": form[VERSION_KEY],
        "deviceType": form[TYPE_KEY],
        "requires": [{"name": name, "value": value} for name, value in requires],
        "metadata": metadata,
    }


def document(package: Package) -> dict[str, Any]:
    """Return a package with exactly the keys that RDFM's clients accept."""
    artifact = package.spec.artifact
    return {
        "id": package.serial,
        "created": greenwich(birth(package.metadata, package.spec.created_at)),
        "sha256": artifact.sha256 if artifact else "",
        "driver": artifact.driver if artifact else "none",
        "metadata": fragment(flat_metadata(package)),
    }


def flat_metadata(package: Package) -> dict[str, Any]:
    """Return RDFM's view of a package: free keys below, what the spec itself says above them."""
    spec = package.spec
    flat = _free_keys(spec.metadata)
    flat |= {f"{REQUIRES_PREFIX}{need.name}": need.value for need in spec.requires}
    flat[VERSION_KEY] = spec.version
    if spec.device_type is not None:
        flat[TYPE_KEY] = spec.device_type
    if spec.artifact is not None:
        flat |= _storage_keys(spec.artifact)
    return flat


def _check_requirement(key: str, value: str) -> None:
    name = key.removeprefix(REQUIRES_PREFIX)
    if not name:
        raise Invalid(key, "must name the required key after the colon")
    if len(name) > _LONGEST_REQUIRED_KEY:
        shown = key[: len(REQUIRES_PREFIX) + 32]
        raise Invalid(shown, f"the key is longer than {_LONGEST_REQUIRED_KEY} characters")
    if len(value) > _LONGEST_REQUIRED_VALUE:
        raise Invalid(key, f"is longer than {_LONGEST_REQUIRED_VALUE} characters")


def _free_keys(text: str) -> dict[str, Any]:
    try:
        return exact_object(text)
    except ValueError:
        return {}


def _storage_keys(artifact: Artifact) -> dict[str, Any]:
    if artifact.path is None:
        return {f"{STORAGE_PREFIX}{artifact.driver}.length": artifact.size}
    directory, _, name = artifact.path.rpartition("/")
    length = "size" if artifact.driver == "s3" else "length"
    return {
        f"{STORAGE_PREFIX}{artifact.driver}.uuid": name,
        f"{STORAGE_PREFIX}{artifact.driver}.{length}": artifact.size,
        f"{STORAGE_PREFIX}{artifact.driver}.directory": directory or ".",
    }
