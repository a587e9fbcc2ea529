"""What clients send: an application or a device, checked field by field."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.requests import Request

from polyfleet.api.core.errors import Invalid, TooLarge, UnsupportedMediaType
from polyfleet.api.core.exact_json import decode_exact
from polyfleet.api.core.requests import read_body
from polyfleet.api.dialects.drogue import finalizers, labels, sections

LARGEST_BODY = 64 * 1024
MAX_FINALIZERS = 32
_LONGEST_APPLICATION = 253
_LONGEST_DEVICE = 255
_HOST = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*")
_KNOWN = frozenset(
    {
        "name",
        "application",
        "uid",
        "creationTimestamp",
        "generation",
        "resourceVersion",
        "deletionTimestamp",
        "finalizers",
        "labels",
        "annotations",
    }
)


@dataclass(frozen=True, slots=True)
class Preconditions:
    """What must hold for a write; None is not compared."""

    uid: str | None = None
    resource_version: str | None = None


@dataclass(frozen=True, slots=True)
class Given:
    """An application or device as a client wants it; `application` is absent for the former."""

    name: str
    application: str | None
    preconditions: Preconditions
    labels: dict[str, str]
    annotations: dict[str, str]
    finalizers: list[str]
    spec: dict[str, Any]
    status: dict[str, Any]

    def data(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        """Return what is stored as structured JSON, with another spec; empty parts left out.

        Raises TooLarge if that has grown beyond what a client could send: hashes are longer than
        most passwords.
        """
        parts = {"spec": spec, "status": self.status, "annotations": self.annotations}
        data = {name: dict(part) for name, part in parts.items() if part}
        check_size(orjson.dumps(data))
        return data


async def read(request: Request, *, optional: bool = False) -> Any:
    """Return the JSON body; None if it is empty and `optional`.

    Raises TooLarge, UnsupportedMediaType and Invalid.
    """
    body = await read_body(request, LARGEST_BODY)
    if optional and not body.strip():
        return None
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type not in {"", "application/json"} and not content_type.endswith("+json"):
        raise UnsupportedMediaType("the body must be application/json")
    return decode_exact(body)


def application_of(document: object) -> Given:
    """Read an application. Raises Invalid that names the field."""
    given = _given(document, device=False)
    if len(given.name) > _LONGEST_APPLICATION or not _HOST.fullmatch(given.name):
        raise Invalid("metadata.name", "must be a host name in lower case")
    sections.check_application(given.spec)
    return given


def device_of(document: object) -> Given:
    """Read a device. Raises Invalid that names the field."""
    given = _given(document, device=True)
    if not 1 <= len(given.name.encode()) <= _LONGEST_DEVICE:
        raise Invalid("metadata.name", f"must have 1 to {_LONGEST_DEVICE} bytes")
    sections.check_device(given.spec)
    return given


def check_size(encoded: bytes) -> None:
    """Raise TooLarge for a document that is larger than a client could send."""
    if len(encoded) > LARGEST_BODY:
        raise TooLarge(f"the result is larger than {LARGEST_BODY} bytes")


def queried(request: Request, document: object = None) -> Preconditions:
    """Return the preconditions of a deletion or a patch, from its query and from its body.

    Both forms exist; if both are given, they must agree. Raises Invalid.
    """
    given = object_of(document, "body").get("preconditions")
    inner = object_of(given, "preconditions")
    return Preconditions(
        _one("uid", request.query_params.getlist("uid"), inner.get("uid")),
        _one(
            "resourceVersion",
            request.query_params.getlist("resourceVersion"),
            inner.get("resourceVersion"),
        ),
    )


def object_of(value: object, field: str) -> dict[str, Any]:
    """Return a JSON object; null is an empty one."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Invalid(field, "must be a JSON object")
    return value


def _given(document: object, *, device: bool) -> Given:
    if not isinstance(document, dict):
        raise Invalid("", "the body must be a JSON object")
    metadata = document.get("metadata")
    if not isinstance(metadata, dict):
        raise Invalid("metadata", "is required")
    known = _KNOWN if device else _KNOWN - {"application"}
    for name in metadata:
        if name not in known:
            raise Invalid(f"metadata.{name}", "is not a known field")
    given = Given(
        name=_text(metadata, "name") or "",
        application=_text(metadata, "application") if device else None,
        preconditions=Preconditions(
            _text(metadata, "uid") or None, _text(metadata, "resourceVersion") or None
        ),
        labels=_texts(metadata, "labels"),
        annotations=_texts(metadata, "annotations"),
        finalizers=_finalizers(metadata.get("finalizers")),
        spec=object_of(document.get("spec"), "spec"),
        status=object_of(document.get("status"), "status"),
    )
    labels.check(given.labels)
    return given


def _text(metadata: Mapping[str, Any], name: str) -> str | None:
    value = metadata.get(name)
    if value is not None and not isinstance(value, str):
        raise Invalid(f"metadata.{name}", "must be a text")
    return value


def _texts(metadata: Mapping[str, Any], name: str) -> dict[str, str]:
    found = object_of(metadata.get(name), f"metadata.{name}")
    for key, value in found.items():
        if not isinstance(value, str):
            raise Invalid(f"metadata.{name}.{key}", "must be a text")
    return found


def _finalizers(value: object) -> list[str]:
    if value is None:
        return []
    field = "metadata.finalizers"
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise Invalid(field, "must be a list of texts")
    if len(value) > MAX_FINALIZERS:
        raise Invalid(field, f"has more than {MAX_FINALIZERS} entries")
    for item in value:
        if not finalizers.can_be_kept(item):
            raise Invalid(
                field,
                "each must be 1 to 63 characters, others than letters, digits, '-', '_' and '.'"
                " counting as three a byte, and begin with a letter or digit",
            )
    return list(dict.fromkeys(value))


def _one(field: str, queried: list[str], inner: object) -> str | None:
    if inner is not None and not isinstance(inner, str):
        raise Invalid(f"preconditions.{field}", "must be a text")
    found = {value for value in (*queried, inner) if value}
    if len(found) > 1:
        raise Invalid(field, "is given with different values")
    return str(found.pop()) if found else None
