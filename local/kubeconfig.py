"""Kubeconfig files: made for a certificate or a token, always mode 600."""

import base64
from pathlib import Path
from typing import Any

import yaml

from polyfleet.local.certificates import Certificate
from polyfleet.local.state import write_private

Credentials = dict[str, str]


def certificate_credentials(certificate: Certificate) -> Credentials:
    """Return the user section for a client certificate."""
    return {
        "client-certificate-data": _encode(certificate.certificate),
        "client-key-data": _encode(certificate.key),
    }


def write_kubeconfig(
    file: Path,
    *,
    server: str,
    authority: str,
    credentials: Credentials,
    namespace: str = "default",
) -> Path:
    """Write a kubeconfig with one context and return its path; `authority` is PEM."""
    cluster = {"server": server, "certificate-authority-data": _encode(authority)}
    _write(file, cluster, credentials, namespace)
    return file


def derive_kubeconfig(
    source: Path, file: Path, *, namespace: str, credentials: Credentials | None = None
) -> Path:
    """Write a kubeconfig for the cluster of `source`'s current context and return its path.

    It has another namespace and, where given, other credentials.
    """
    content = yaml.safe_load(source.read_text())
    context = _named(content["contexts"], content["current-context"])["context"]
    cluster = _named(content["clusters"], context["cluster"])["cluster"]
    user = credentials or _named(content["users"], context["user"])["user"]
    _write(file, cluster, user, namespace)
    return file


def _write(
    file: Path, cluster: dict[str, Any], credentials: dict[str, Any], namespace: str
) -> None:
    context = {"cluster": "polyfleet", "user": "polyfleet", "namespace": namespace}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "polyfleet", "cluster": cluster}],
        "users": [{"name": "polyfleet", "user": credentials}],
        "contexts": [{"name": "polyfleet", "context": context}],
        "current-context": "polyfleet",
    }
    write_private(file, yaml.safe_dump(content, sort_keys=False))


def _named(entries: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(entry for entry in entries if entry["name"] == name)


def _encode(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
