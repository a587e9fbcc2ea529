"""What becomes of secrets in specs."""

import asyncio
import base64
import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from polyfleet.api.core.identity import sha512_crypt
from polyfleet.fleet.objects.kinds import DEVICES
from tests.dialects.drogue.registry import Registry, device, devices, error, members
from tests.dialects.people import Person

KEY = base64.b64encode(b"a key of sixteen").decode()


def entries(registry: Registry, app: str, section: str = "authentication") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = registry.shown(devices(app, "d"))["spec"][section]["credentials"]
    return found


def put(registry: Registry, app: str, spec: dict[str, Any]) -> int:
    body = device(app, "d", spec=spec)
    return int(registry.owner.put(devices(app, "d"), json=body).status_code)


@pytest.mark.parametrize("given", ["secret", {"plain": "secret"}])
@pytest.mark.parametrize("section", ["credentials", "authentication"])
def test_a_password_is_hashed_before_it_is_stored(
    registry: Registry,
    app: str,
    shared_kubectl: Callable[..., str],
    given: Any,
    section: str,
) -> None:
    user = {"username": "u", "password": given, "unique": True}
    registry.device(app, "d", spec={section: {"credentials": [{"pass": given}, {"user": user}]}})
    first, second = entries(registry, app, section)
    assert sha512_crypt.verify("secret", first["pass"]["sha512"])
    assert sha512_crypt.verify("secret", second["user"]["password"]["sha512"])
    assert first["pass"]["sha512"] != second["user"]["password"]["sha512"]
    assert second["user"]["unique"] is True
    assert "secret" not in shared_kubectl("get", "device", f"{app}.d", "-o", "jsonpath={.spec}")


def test_hashes_and_certificates_stay_as_they_are(registry: Registry, app: str) -> None:
    given = [
        {"pass": {"sha512": sha512_crypt.hashed("x")}},
        {"pass": {"bcrypt": "$2b$12$" + "a" * 53}},
        {"cert": "CN=d, O=x"},
    ]
    registry.device(app, "d", spec={"authentication": {"credentials": given}})
    assert entries(registry, app) == given


def test_the_same_password_again_is_no_change(registry: Registry, app: str) -> None:
    spec = {"authentication": {"credentials": [{"pass": "secret"}]}}
    registry.device(app, "d", spec=spec)
    before = registry.shown(devices(app, "d"))
    assert put(registry, app, spec) == 204
    assert registry.shown(devices(app, "d")) == before


def test_readers_do_not_see_credentials_and_writers_keep_them(
    registry: Registry, app: str, stranger: Person
) -> None:
    registry.device(app, "d", spec={"authentication": {"credentials": [{"pass": "x"}]}, "a": 1})
    give = {"members": {stranger.name: {"role": "reader"}}}
    registry.owner.put(members(app), json=give)
    assert registry.shown(devices(app, "d"), stranger)["spec"] == {"a": 1}
    assert "authentication" not in stranger.get(devices(app)).text
    shown = registry.shown(devices(app, "d"))
    assert registry.owner.put(devices(app, "d"), json=shown).status_code == 204
    assert registry.shown(devices(app, "d")) == shown


def secret_of(registry: Registry, app: str, shared_kubectl: Callable[..., str]) -> dict[str, str]:
    uid = registry.shown(devices(app, "d"))["metadata"]["uid"]
    found = json.loads(shared_kubectl("get", "secret", f"device-{uid}-psk", "-o", "json"))
    assert found["metadata"]["ownerReferences"][0]["uid"] == uid
    data: dict[str, str] = found.get("data") or {}
    return data


def test_a_pre_shared_key_is_kept_in_a_secret(
    registry: Registry, app: str, shared_kubectl: Callable[..., str]
) -> None:
    psk = {"key": KEY, "validity": {"notBefore": "2030-01-01T00:00:00Z"}}
    registry.device(app, "d", spec={"authentication": {"credentials": [{"psk": psk}]}})
    (shown,) = entries(registry, app)
    assert shown["psk"]["validity"] == psk["validity"]
    assert shown["psk"]["key"] != KEY
    assert base64.b64decode(shown["psk"]["key"])
    assert list(secret_of(registry, app, shared_kubectl).values()) == [KEY]
    assert KEY not in shared_kubectl("get", "device", f"{app}.d", "-o", "yaml")
    # Written back as it was read, beside another one: both are there.
    assert put(registry, app, {"authentication": {"credentials": [shown, {"psk": psk}]}}) == 204
    assert list(secret_of(registry, app, shared_kubectl).values()) == [KEY, KEY]
    assert put(registry, app, {}) == 204
    assert secret_of(registry, app, shared_kubectl) == {}


def test_a_key_that_another_adds_while_one_is_taken_away_is_kept(
    registry: Registry,
    app: str,
    shared_kubectl: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    added = base64.b64encode(b"added in between").decode()
    registry.device(app, "d", spec={"authentication": {"credentials": [{"psk": {"key": KEY}}]}})
    place, client = "/spec/authentication/credentials", registry.server.facade.client
    read, begun = client.get_document, threading.Event()

    async def read_after_another(*place_of_secret: Any) -> Any:
        if not begun.is_set():
            begun.set()
            value = {"psk": {"key": added}}
            await asyncio.to_thread(patch, [{"op": "add", "path": f"{place}/-", "value": value}])
        return await read(*place_of_secret)

    def patch(operations: list[dict[str, Any]]) -> None:
        with registry.server.client(auth=(registry.owner.name, registry.owner.token)) as caller:
            assert caller.patch(devices(app, "d"), json=operations).status_code == 204

    monkeypatch.setattr(client, "get_document", read_after_another)
    patch([{"op": "remove", "path": f"{place}/0"}])
    assert begun.is_set()
    assert len(entries(registry, app)) == 1
    assert list(secret_of(registry, app, shared_kubectl).values()) == [added]


def test_no_key_is_left_of_a_write_that_was_overtaken(
    registry: Registry,
    app: str,
    shared_kubectl: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    registry.device(app, "d")
    writer = registry.server.facade.writer
    change, overtaken = writer.patch, threading.Event()

    async def change_after_another(kind: Any, item: Any, patch: Any, **options: Any) -> Any:
        if kind is DEVICES and not overtaken.is_set():
            overtaken.set()
            await change(DEVICES, item, {"metadata": {"labels": {"overtook": "yes"}}})
        return await change(kind, item, patch, **options)

    monkeypatch.setattr(writer, "patch", change_after_another)
    psk = {"psk": {"key": KEY}}
    assert put(registry, app, {"authentication": {"credentials": [psk]}}) == 204
    assert overtaken.is_set()
    assert list(secret_of(registry, app, shared_kubectl).values()) == [KEY]


def test_a_reference_to_the_key_of_another_device_is_refused(registry: Registry, app: str) -> None:
    spec = {"authentication": {"credentials": [{"psk": {"key": KEY}}]}}
    registry.device(app, "d", spec=spec)
    stolen = registry.shown(devices(app, "d"))["spec"]
    reply = registry.owner.post(devices(app), json=device(app, "d2", spec=stolen))
    assert error(reply)[:2] == (400, "BadRequest")


def test_what_hashes_make_too_large_is_refused_and_nothing_changes(
    registry: Registry, app: str
) -> None:
    registry.device(app, "d", spec={"note": "before"})
    passwords = [{"pass": {"plain": f"p{number}"}} for number in range(20)]
    spec = {"note": "x" * 64_000, "authentication": {"credentials": passwords}}
    assert put(registry, app, spec) == 413
    assert registry.shown(devices(app, "d"))["spec"] == {"note": "before"}
