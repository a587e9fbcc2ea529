"""How things are named: objects in the cluster, and devices in the flat space of ids.

RDFM, Mender and OTAO know one flat space of device ids, so an id of the default application is
itself and another application's is written `~<application>~<id>`.
"""

import hashlib
import re

MAX_NAME = 63

_DNS_LABEL = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?")
_LIKE_HASH = re.compile(r".*-x[0-9a-f]{16}")
_NOT_SLUG = re.compile(r"[^a-z0-9]+")
_HASH_LENGTH = 16
_KEY_LENGTH = 32
_LONGEST_STEM = 253 - len("app--config-") - 36
# "-v" and the largest number that the schema allows.
_VERSION_LENGTH = len("-v1000000000") + 1
# Kubernetes appends a ReplicaSet's hash of ten and a Pod's of five characters, each with a dash.
_WORKLOAD_LENGTH = MAX_NAME - 17
_SLUG_LENGTH = MAX_NAME - _HASH_LENGTH - len("-x")


def object_name(kind: str, application: str, wire_name: str) -> str:
    """Return the name of the object that stands for `wire_name`: a DNS name of at most 63.

    `application` is empty for the kinds that live above applications. Readable where both parts
    are DNS labels, else a slug and a hash; two different inputs of one kind share a name only if
    64 bits of SHA-256 collide, so the wire name is compared after every look-up.
    """
    parts = (application, wire_name) if application else (wire_name,)
    readable = ".".join(parts)
    if (
        len(readable) <= MAX_NAME
        and all(_DNS_LABEL.fullmatch(part) for part in parts)
        and not _LIKE_HASH.fullmatch(readable)
    ):
        return readable
    return _hashed_name(kind, application, wire_name)


def application_label(application: str) -> str:
    """Return the value of the label by which the objects of an application are found."""
    # Application names are host names, so one that is short enough is a label value as it is.
    return (
        application if len(application) <= MAX_NAME else object_name("Application", "", application)
    )


def domain_name(host: str) -> str:
    """Return the name of the Domain of a host name: itself, if it is short enough."""
    # Hashed names have no dot, and host names of one label that look like one do not occur.
    return host if len(host) <= MAX_NAME else _hashed_name("Domain", "", host)


def key_name(public: str) -> str:
    """Return the name of the Key of a public SSH key; its comment does not count."""
    essence = " ".join(public.split()[:2])
    digest = hashlib.sha256(essence.encode("utf-8", "surrogatepass")).hexdigest()
    return f"key-{digest[:_KEY_LENGTH]}"


def release_name(application: str, version: int) -> str:
    """Return the name of an application's Release: `<application>-v<version>` if short enough."""
    return f"{_stem('Release', application, MAX_NAME - _VERSION_LENGTH)}-v{version}"


def config_secret_name(application: str, config_uuid: str) -> str:
    """Return the name of the immutable Secret with the values of one configuration."""
    return f"{given_config_secret_name(application)}-{config_uuid}"


def given_config_secret_name(application: str) -> str:
    """Return the name of the Secret that people without a REST API keep the values in."""
    # They have to write it; and names of Secrets may be long, for no label holds them.
    return f"app-{_stem('Secret', application, _LONGEST_STEM)}-config"


def workload_name(application: str, process_type: str | None = None) -> str:
    """Return the name of an application's Service, or of the Deployment of a process type.

    It is a DNS label that leaves room for what Kubernetes appends to the names of Pods.
    """
    readable = f"app-{application}" + (f"-{process_type}" if process_type else "")
    # A type with a dash, or one like a hash, could be read as another application's.
    ambiguous = process_type is not None and (
        "-" in process_type or _LIKE_HASH.fullmatch(f"-{process_type}")
    )
    if (
        len(readable) <= _WORKLOAD_LENGTH
        and _DNS_LABEL.fullmatch(readable)
        and not ambiguous
        and not _LIKE_HASH.fullmatch(readable)
    ):
        return readable
    digest = _digest("Workload", application, process_type or "")
    slug = _NOT_SLUG.sub("-", readable)[: _WORKLOAD_LENGTH - _HASH_LENGTH - len("-x")].strip("-")
    return f"{slug}-x{digest}"


def ingress_name(application: str, host: str) -> str:
    """Return the name of the Ingress that leads a host name to an application."""
    return f"{workload_name(application)}-{_digest('Ingress', application, host)}"


def enrollment_name(application: str, device_id: str, key_fingerprint: str) -> str:
    """Return the name of the Enrollment of this device id with this key."""
    return _hashed_name("Enrollment", application, device_id, key_fingerprint)


def flat_id(application: str, device_id: str, *, default_application: str) -> str:
    """Return the id by which a dialect without applications knows a device.

    Raises ValueError for an empty id and for an application name that cannot be one.
    """
    if not device_id:
        raise ValueError("a device id may not be empty")
    if application == default_application:
        return f"~{device_id}" if device_id.startswith("~") else device_id
    if not application or "~" in application:
        raise ValueError("an application's name may not be empty or contain '~'")
    return f"~{application}~{device_id}"


def parse_flat_id(text: str, *, default_application: str) -> tuple[str, str]:
    """Return the application and device id that `flat_id` turned into `text`.

    Raises ValueError for a text that `flat_id` never gives.
    """
    if not text:
        raise ValueError("a device id may not be empty")
    if not text.startswith("~"):
        return default_application, text
    if text.startswith("~~"):
        return default_application, text[1:]
    application, separator, device_id = text[1:].partition("~")
    if not separator or not device_id:
        raise ValueError("an id that starts with '~' has the form ~<application>~<id>")
    if application == default_application:
        raise ValueError("devices of the default application are named by their id alone")
    return application, device_id


def _stem(kind: str, application: str, longest: int) -> str:
    """Return the application's name, or a shortened one with a hash if it is too long."""
    if len(application) <= longest and not _LIKE_HASH.fullmatch(application):
        return application
    slug = _NOT_SLUG.sub("-", application)[: max(0, longest - _HASH_LENGTH - 2)].strip("-")
    return f"{slug}-x{_digest(kind, application)}" if slug else f"x{_digest(kind, application)}"


def _digest(*parts: str) -> str:
    digest = hashlib.sha256()
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8, "big"))
        digest.update(encoded)
    return digest.hexdigest()[:_HASH_LENGTH]


def _hashed_name(kind: str, *parts: str) -> str:
    # The application and the id make the slug; a key's fingerprint would only fill it up.
    slug = _NOT_SLUG.sub("-", "-".join(parts[:2]).lower())[:_SLUG_LENGTH].strip("-")
    return f"{slug or kind.lower()}-x{_digest(kind, *parts)}"
