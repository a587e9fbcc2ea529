"""Many writers of one object who set no preconditions: nobody is refused, nothing is lost."""

import base64
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.dialects.drogue.registry import ADMIN, Registry, apps, device, devices, members
from tests.dialects.people import Person

WRITERS = 20


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave a slow machine the time that it needs."""
    monkeypatch.setattr("polyfleet.api.dialects.drogue.patience.SECONDS", 60.0)


def at_once(registry: Registry, write: Callable[[httpx.Client, int], httpx.Response]) -> list[int]:
    """Return the statuses of as many writes as there are writers, all begun together."""
    owner, begun = registry.owner, threading.Barrier(WRITERS)

    def run(number: int) -> int:
        with registry.server.client(auth=(owner.name, owner.token)) as caller:
            caller.timeout = httpx.Timeout(90.0)
            begun.wait(60)
            return write(caller, number).status_code

    with ThreadPoolExecutor(WRITERS) as pool:
        return list(pool.map(run, range(WRITERS)))


@pytest.mark.parametrize("kind", ["application", "device"])
def test_all_patches_are_applied(registry: Registry, app: str, kind: str) -> None:
    registry.device(app, "d")
    path = devices(app, "d") if kind == "device" else apps(app)
    first = [{"op": "add", "path": "/spec", "value": {}}]
    assert registry.owner.patch(path, json=[*first, put("begun", 1)]).status_code == 204
    found = at_once(registry, lambda by, n: by.patch(path, json=[put(f"n{n}", n)]))
    assert found == [204] * WRITERS
    assert registry.shown(path)["spec"] == {"begun": 1} | {f"n{n}": n for n in range(WRITERS)}


def test_one_of_many_replacements_is_the_last(registry: Registry, app: str) -> None:
    registry.device(app, "d")
    path = devices(app, "d")
    found = at_once(registry, lambda by, n: by.put(path, json=device(app, "d", spec={"n": n})))
    assert found == [204] * WRITERS
    assert registry.shown(path)["spec"]["n"] in range(WRITERS)


def test_many_editors_of_the_members_and_of_an_offer_get_through(
    registry: Registry, app: str, stranger: Person
) -> None:
    offer, body = f"{ADMIN}/apps/{app}/transfer-ownership", {"newUser": stranger.name}

    def write(caller: httpx.Client, number: int) -> httpx.Response:
        if number % 2:
            role = {"role": "reader" if number % 4 == 1 else "admin"}
            return caller.put(members(app), json={"members": {stranger.name: role}})
        return caller.put(offer, json=body) if number % 4 else caller.delete(offer)

    found = at_once(registry, write)
    assert set(found) == {202, 204}


def test_many_who_add_pre_shared_keys_get_through(registry: Registry, app: str) -> None:
    spec: dict[str, object] = {"authentication": {"credentials": []}}
    registry.device(app, "d", spec=spec)
    path, place = devices(app, "d"), "/spec/authentication/credentials/-"

    def write(caller: httpx.Client, number: int) -> httpx.Response:
        value = {"psk": {"key": base64.b64encode(bytes([number])).decode()}}
        return caller.patch(path, json=[{"op": "add", "path": place, "value": value}])

    assert at_once(registry, write) == [204] * WRITERS
    kept = registry.shown(path)["spec"]["authentication"]["credentials"]
    assert len({item["psk"]["key"] for item in kept}) == WRITERS


def put(name: str, value: int) -> dict[str, object]:
    return {"op": "add", "path": f"/spec/{name}", "value": value}
