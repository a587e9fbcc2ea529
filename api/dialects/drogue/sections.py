"""The sections of a spec that are known, checked when they are written; all else is free JSON."""

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from polyfleet.api.core.errors import Invalid
from polyfleet.api.core.identity import sha512_crypt
from polyfleet.fleet.device_credentials import SECTIONS, credentials

MAX_CREDENTIALS = 32
MAX_NAMES = 64
_LONGEST_NAME = 255
_BCRYPT_LENGTH = 60


class _Core(msgspec.Struct):
    disabled: bool = False


class _GatewaySelector(msgspec.Struct, rename="camel"):
    match_names: list[str] = []


class _Aliases(msgspec.Struct):
    aliases: list[str] = []


class _ExternalEndpoint(msgspec.Struct):
    url: str
    type: Literal["ttn", "ttnv2", "ttnv3"] | None = None
    method: str | None = None
    headers: dict[str, str] | None = None


class _ExternalCommand(msgspec.Struct):
    external: _ExternalEndpoint


class _Commands(msgspec.Struct):
    commands: list[_ExternalCommand] = []


class _Anchor(msgspec.Struct):
    certificate: str


class _TrustAnchors(msgspec.Struct):
    anchors: list[_Anchor] = []


class _Rule(msgspec.Struct):
    when: Any
    then: list[Any] = []


class _Rules(msgspec.Struct):
    rules: list[_Rule] = []


class _MqttDialect(msgspec.Struct, rename="camel"):
    type: Literal["drogue/v1", "plainTopic", "cumulocity", "azure"]
    device_prefix: bool = False


class _Mqtt(msgspec.Struct):
    dialect: _MqttDialect | None = None


class _Validity(msgspec.Struct, rename="camel"):
    not_before: str | None = None
    not_after: str | None = None


class _Password(msgspec.Struct, forbid_unknown_fields=True):
    plain: str | None = None
    bcrypt: str | None = None
    sha512: str | None = None


class _UserPassword(msgspec.Struct):
    username: str
    password: str | _Password
    unique: bool = False


class _PreSharedKey(msgspec.Struct):
    key: str
    validity: _Validity | None = None


class _Credential(msgspec.Struct, forbid_unknown_fields=True):
    password: str | _Password | None = msgspec.field(default=None, name="pass")
    user: _UserPassword | None = None
    cert: str | None = None
    psk: _PreSharedKey | None = None


class _Credentials(msgspec.Struct):
    credentials: list[_Credential] = []


_SHARED: Mapping[str, Any] = {"core": _Core, "mqtt": _Mqtt}
_DEVICE: Mapping[str, Any] = {
    **_SHARED,
    "credentials": _Credentials,
    "authentication": _Credentials,
    "gatewaySelector": _GatewaySelector,
    "alias": list[str] | _Aliases,
    "commands": _Commands,
}
_APPLICATION: Mapping[str, Any] = {
    **_SHARED,
    "trustAnchors": _TrustAnchors,
    "publish": _Rules,
    "command": _Rules,
}


def check_device(spec: Mapping[str, Any]) -> None:
    """Raise Invalid, with its path, for a known section of a device that cannot be read."""
    _check(spec, _DEVICE)
    names = aliases(spec)
    if len(names) > MAX_NAMES:
        raise Invalid("spec.alias", f"has more than {MAX_NAMES} entries")
    for name in names:
        if not name or len(name.encode()) > _LONGEST_NAME:
            raise Invalid("spec.alias", f"each must have 1 to {_LONGEST_NAME} bytes")
    entries = [entry for name in SECTIONS for entry in credentials(spec, name)]
    if len(entries) > MAX_CREDENTIALS:
        raise Invalid("spec.authentication", f"has more than {MAX_CREDENTIALS} credentials")
    for name in SECTIONS:
        for number, entry in enumerate(credentials(spec, name)):
            _check_credential(entry, f"spec.{name}.credentials[{number}]")


def check_application(spec: Mapping[str, Any]) -> None:
    """Raise Invalid, with its path, for a known section of an application that cannot be read."""
    _check(spec, _APPLICATION)


def aliases(spec: Mapping[str, Any]) -> list[str]:
    """Return the further names of a device whose spec was checked."""
    section = spec.get("alias") or []
    found = section.get("aliases", []) if isinstance(section, Mapping) else section
    return list(found)


def _check(spec: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    for name, shape in known.items():
        if spec.get(name) is None:
            continue
        try:
            msgspec.convert(spec[name], shape, strict=True)
        except msgspec.ValidationError as error:
            reason, _, place = str(error).partition(" - at `$")
            raise Invalid(f"spec.{name}{place.rstrip('`')}", reason) from None


def _check_credential(entry: Mapping[str, Any], path: str) -> None:
    if len(entry) != 1 or next(iter(entry.values())) is None:
        raise Invalid(path, "must be exactly one of pass, user, cert, psk")
    user, psk = entry.get("user"), entry.get("psk")
    if "pass" in entry:
        _check_password(entry["pass"], f"{path}.pass")
    if user is not None:
        if not user["username"] or len(user["username"]) > _LONGEST_NAME:
            raise Invalid(f"{path}.user.username", f"must have 1 to {_LONGEST_NAME} characters")
        _check_password(user["password"], f"{path}.user.password")
    if psk is not None:
        try:
            base64.b64decode(psk["key"], validate=True)
        except (binascii.Error, ValueError):
            raise Invalid(f"{path}.psk.key", "must be base64") from None


def _check_password(password: str | Mapping[str, Any], path: str) -> None:
    if isinstance(password, str):
        password = {"plain": password}
    given = {kind: text for kind, text in password.items() if text is not None}
    if len(given) != 1:
        raise Invalid(path, "must be a text, or exactly one of plain, bcrypt, sha512")
    ((kind, text),) = given.items()
    if kind == "sha512" and not sha512_crypt.is_hash(text):
        raise Invalid(path, "is no SHA-512 hash of crypt(3): $6$…")
    if kind == "bcrypt" and not (text.startswith("$2") and len(text) == _BCRYPT_LENGTH):
        raise Invalid(path, "is no bcrypt hash: $2…")
    if kind == "plain" and len(text.encode()) > sha512_crypt.MAX_PASSWORD:
        raise Invalid(path, f"has more than {sha512_crypt.MAX_PASSWORD} bytes")
