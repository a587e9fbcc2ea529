"""Trust anchors of an application: certificates, read when they are written."""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from typing import Any

import anyio.to_thread
from cryptography import x509

from polyfleet.api.core.errors import Invalid

MAX_ANCHORS = 16
_BEGIN = b"-----BEGIN CERTIFICATE-----"
_PEM = re.compile(_BEGIN + rb".*?-----END CERTIFICATE-----", re.DOTALL)


async def status_of(spec: Mapping[str, Any], status: Mapping[str, Any]) -> dict[str, Any]:
    """Return the status with what the anchors of a checked spec turned out to be."""
    others = {name: part for name, part in status.items() if name != "trustAnchors"}
    anchors = (spec.get("trustAnchors") or {}).get("anchors") or []
    if not anchors:
        return others
    if len(anchors) > MAX_ANCHORS:
        raise Invalid("spec.trustAnchors.anchors", f"has more than {MAX_ANCHORS} entries")
    read = await anyio.to_thread.run_sync(_read_all, anchors)
    return {**others, "trustAnchors": {"anchors": read}}


def _read_all(anchors: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [entry for anchor in anchors for entry in _read(anchor["certificate"])]


def _read(encoded: str) -> Iterator[dict[str, Any]]:
    try:
        pem = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        yield _invalid("the certificate is not base64")
        return
    blocks = _PEM.findall(pem)
    if not blocks:
        yield _invalid("there is no PEM certificate in it")
    for block in blocks:
        try:
            # One alone is told as it was sent; of several each by itself.
            told = encoded if len(blocks) == 1 else base64.b64encode(block).decode()
            yield {"valid": _described(x509.load_pem_x509_certificate(block), told)}
        except ValueError:
            yield _invalid("the certificate cannot be read")


def _described(certificate: x509.Certificate, encoded: str) -> dict[str, Any]:
    return {
        "subject": _name(certificate.subject),
        "certificate": encoded,
        "notBefore": certificate.not_valid_before_utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "notAfter": certificate.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def _name(name: x509.Name) -> str:
    """Return a distinguished name in the order of the certificate."""
    return ", ".join(part.rfc4514_string() for part in name.rdns)


def _invalid(message: str) -> dict[str, Any]:
    return {"invalid": {"error": "Invalid", "message": message}}
