"""Names that must be unique: aliases, unique user names, subjects of trust anchors."""

import base64
import datetime as dt
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tests.dialects.drogue.registry import APPS, CONFLICT, Registry, apps, device, devices, error


def aliased(*names: str) -> dict[str, Any]:
    return {"alias": list(names)}


def unique_user(name: str) -> dict[str, Any]:
    user = {"username": name, "password": "x", "unique": True}
    return {"authentication": {"credentials": [{"user": user}]}}


@pytest.mark.parametrize(
    "spec",
    [aliased("taken"), {"alias": {"aliases": ["taken"]}}, unique_user("taken")],
    ids=["alias", "aliases", "user"],
)
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_name_is_claimed_once(
    registry: Registry, app: str, method: str, spec: dict[str, Any]
) -> None:
    registry.device(app, "d1", spec=aliased("taken"))
    if method == "PUT":
        registry.device(app, "d2")
    path = devices(app) if method == "POST" else devices(app, "d2")
    reply = registry.owner.request(method, path, json=device(app, "d2", spec=spec))
    assert error(reply) == CONFLICT
    registry.device(registry.app(), "d2", spec=spec)


def test_a_device_cannot_have_the_alias_of_another_as_its_name(
    registry: Registry, app: str
) -> None:
    registry.device(app, "d1", spec=aliased("d2"))
    assert error(registry.owner.post(devices(app), json=device(app, "d2"))) == CONFLICT
    assert registry.owner.get(devices(app, "d2")).status_code == 404


def test_an_alias_cannot_be_the_name_of_a_device(registry: Registry, app: str) -> None:
    registry.device(app, "d1")
    body = device(app, "d2", spec=aliased("d1"))
    assert error(registry.owner.post(devices(app), json=body)) == CONFLICT
    own = device(app, "d1", spec=aliased("d1"))
    assert error(registry.owner.put(devices(app, "d1"), json=own)) == CONFLICT


def test_a_user_name_that_is_not_unique_is_shared(registry: Registry, app: str) -> None:
    user = {"username": "u", "password": "x"}
    spec = {"authentication": {"credentials": [{"user": user}]}}
    registry.device(app, "d1", spec=spec)
    registry.device(app, "d2", spec=spec)


def test_what_a_device_gives_up_is_free(registry: Registry, app: str) -> None:
    registry.device(app, "d1", spec=aliased("a", "b"))
    kept = device(app, "d1", spec=aliased("b"))
    assert registry.owner.put(devices(app, "d1"), json=kept).status_code == 204
    registry.device(app, "d2", spec=aliased("a"))
    assert registry.owner.delete(devices(app, "d1")).status_code == 204
    registry.device(app, "d3", spec=aliased("b"))


def test_what_clashed_in_part_is_free_too(registry: Registry, app: str) -> None:
    registry.device(app, "d1", spec=aliased("m"))
    body = device(app, "d2", spec=aliased("a", "m", "z"))
    assert error(registry.owner.post(devices(app), json=body)) == CONFLICT
    registry.device(app, "d3", spec=aliased("a", "z"))


def test_of_many_that_want_one_name_at_once_one_gets_it(registry: Registry, app: str) -> None:
    def want(number: int) -> int:
        body = device(app, f"d{number}", spec=aliased("only"))
        return int(registry.owner.post(devices(app), json=body).status_code)

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(want, range(6))) == [201] + [409] * 5


def certificate(subject: str) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Fleet"),
            x509.NameAttribute(NameOID.COMMON_NAME, subject),
        ]
    )
    start = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + dt.timedelta(days=1))
        .sign(key, SHA256())
    )
    return base64.b64encode(made.public_bytes(Encoding.PEM)).decode()


def test_trust_anchors_are_read_when_they_are_written(registry: Registry) -> None:
    subject = f"ca-{secrets.token_hex(4)}"
    good = certificate(subject)
    anchors = [{"certificate": good}, {"certificate": "no"}, {"certificate": "YWJj"}]
    app = registry.app(spec={"trustAnchors": {"anchors": anchors}}, status={"mine": 1})
    shown = registry.shown(apps(app))
    assert shown["status"]["mine"] == 1
    valid, *others = shown["status"]["trustAnchors"]["anchors"]
    assert valid["valid"] == {
        "subject": f"O=Fleet, CN={subject}",
        "certificate": good,
        "notBefore": "2030-01-01T00:00:00Z",
        "notAfter": "2030-01-02T00:00:00Z",
    }
    assert [set(item) for item in others] == [{"invalid"}, {"invalid"}]
    assert registry.owner.put(apps(app), json=shown).status_code == 204
    assert registry.shown(apps(app)) == shown


def test_two_applications_cannot_trust_the_same_subject(
    registry: Registry, shared_kubectl: Callable[..., str]
) -> None:
    spec = {"trustAnchors": {"anchors": [{"certificate": certificate(secrets.token_hex(4))}]}}
    first, other = registry.app(spec=spec), registry.app()
    body = {"metadata": {"name": other}, "spec": spec}
    assert error(registry.owner.put(apps(other), json=body)) == CONFLICT
    new = {"metadata": {"name": f"n-{secrets.token_hex(4)}"}, "spec": spec}
    assert error(registry.owner.post(APPS, json=new)) == CONFLICT
    assert registry.owner.put(apps(first), json={"metadata": {"name": first}}).status_code == 204
    assert registry.owner.put(apps(other), json=body).status_code == 204
