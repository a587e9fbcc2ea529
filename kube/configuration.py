"""How to reach the API server: from a kubeconfig file, or from inside a pod."""

import base64
import binascii
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from ssl import CERT_NONE, SSLContext, SSLError, create_default_context
from typing import Any

import yaml

from polyfleet.kube.certificates import ClientCertificate
from polyfleet.kube.tokens import ExecToken, FileToken, StaticToken, TokenSource

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class ConfigurationError(Exception):
    """The configuration is absent or does not make sense; the text says what and where."""


@dataclass(frozen=True)
class Connection:
    """Where the API server is and how to prove to it who we are.

    `ssl` holds the server's authority and our client certificate, if there is one; it is None for
    plain HTTP.
    """

    host: str
    ssl: SSLContext | None = None
    token: TokenSource | None = field(default=None, repr=False)
    certificate: ClientCertificate | None = field(default=None, repr=False)
    """That in `ssl`, if there is one."""
    server_name: str | None = None
    namespace: str = "default"


def load_connection(kubeconfig: Path | None = None) -> Connection:
    """Read the given kubeconfig, else the one that KUBECONFIG names, else the pod's own.

    Raises ConfigurationError. Reads files: call it before the event loop matters.
    """
    path = kubeconfig or _from_environment()
    return _from_kubeconfig(path) if path else _in_cluster()


def default_namespace(kubeconfig: Path | None = None) -> str:
    """Return the namespace of the current context, or of the pod."""
    return load_connection(kubeconfig).namespace


def _from_environment() -> Path | None:
    named = [Path(part) for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    if len(named) > 1:
        raise ConfigurationError("KUBECONFIG names several files; name one")
    return named[0] if named else None


def _in_cluster() -> Connection:
    host = os.environ.get("KUBERNETES_SERVICE_HOST")
    port = os.environ.get("KUBERNETES_SERVICE_PORT")
    if not host or not port:
        raise ConfigurationError("no kubeconfig given, KUBECONFIG is not set, and this is no pod")
    address = f"[{host}]" if ":" in host else host
    try:
        context = create_default_context(cafile=str(SERVICE_ACCOUNT / "ca.crt"))
        namespace = (SERVICE_ACCOUNT / "namespace").read_text().strip()
    except (OSError, SSLError) as error:
        raise ConfigurationError(f"the pod's service account cannot be read: {error}") from error
    return Connection(
        host=f"https://{address}:{port}",
        ssl=context,
        token=FileToken(SERVICE_ACCOUNT / "token"),
        namespace=namespace,
    )


def _from_kubeconfig(path: Path) -> Connection:
    try:
        return _Kubeconfig(path).connection()
    except (OSError, yaml.YAMLError, SSLError, binascii.Error, KeyError, TypeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """Return the error in words, and nothing of the file's text: it holds keys."""
    if isinstance(error, yaml.MarkedYAMLError):
        line = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        return f"no YAML{line}"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if isinstance(error, KeyError):
        return f"missing: {error.args[0]}"
    return f"no kubeconfig ({type(error).__name__})"


class _Kubeconfig:
    """One kubeconfig file; paths in it are relative to its own folder."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._document: Mapping[str, Any] = yaml.safe_load(path.read_text())
        self._folder = path.resolve().parent

    def connection(self) -> Connection:
        context = self._named("contexts", self._document["current-context"])["context"]
        cluster = self._named("clusters", context["cluster"])["cluster"]
        if cluster.get("proxy-url"):
            raise ConfigurationError("proxy-url is not supported")
        user = self._user()
        ssl = self._ssl(cluster) if cluster["server"].startswith("https:") else None
        return Connection(
            host=cluster["server"].rstrip("/"),
            ssl=ssl,
            token=self._token(user, cluster),
            certificate=self._certificate(ssl) if ssl and self._pem(user) else None,
            server_name=cluster.get("tls-server-name"),
            namespace=context.get("namespace") or "default",
        )

    def _named(self, section: str, name: str) -> Mapping[str, Any]:
        for entry in self._document.get(section) or ():
            if entry["name"] == name:
                return dict(entry)
        raise KeyError(f"entry {name} of {section}")

    def _user(self) -> Mapping[str, Any]:
        context = self._named("contexts", self._document["current-context"])["context"]
        if not context.get("user"):
            return {}
        user: Mapping[str, Any] = self._named("users", context["user"])["user"]
        return user

    def _certificate(self, context: SSLContext) -> ClientCertificate:
        path = self._path

        def read() -> bytes:
            # Whoever renews it writes the kubeconfig itself anew, or files that it names.
            try:
                now = _Kubeconfig(path)
                return now._pem(now._user())
            except (yaml.YAMLError, KeyError, TypeError) as error:
                # The error's own text may quote the file, and with it the key.
                raise ValueError(f"no kubeconfig ({type(error).__name__})") from None

        return ClientCertificate(context, read, path)

    def _pem(self, user: Mapping[str, Any]) -> bytes:
        certificate, key = (self._data(user, "client-certificate"), self._data(user, "client-key"))
        return certificate + b"\n" + key if certificate and key else b""

    def _ssl(self, cluster: Mapping[str, Any]) -> SSLContext:
        authority = self._data(cluster, "certificate-authority")
        context = create_default_context(cadata=authority.decode() if authority else None)
        if cluster.get("insecure-skip-tls-verify"):
            context.check_hostname = False
            context.verify_mode = CERT_NONE
        return context

    def _token(self, user: Mapping[str, Any], cluster: Mapping[str, Any]) -> TokenSource | None:
        if user.get("tokenFile"):
            return FileToken(self._folder / user["tokenFile"])
        if user.get("token"):
            return StaticToken(user["token"])
        if user.get("exec"):
            return ExecToken(user["exec"], cluster, self._folder)
        if user.get("auth-provider") or user.get("username"):
            raise ConfigurationError("auth-provider and password users are not supported")
        return None

    def _data(self, section: Mapping[str, Any], key: str) -> bytes | None:
        if inline := section.get(f"{key}-data"):
            return base64.b64decode(inline, validate=True)
        return (self._folder / section[key]).read_bytes() if section.get(key) else None
