"""Commands to a device of the default application, whose inbox is Drogue's."""

import base64
from datetime import UTC, datetime, timedelta

from tests.matrix.table import Change, Facts, Look, Making, Matter, Removal
from tests.matrix.world import APPLICATION, INVENTORY, World, done

COMMAND = "/api/command/v1alpha1"
WORDS = ("command", "payload")
PAYLOAD = '{"degrees":90}'


def _place(name: str) -> str:
    return f"apps/{APPLICATION}/devices/{name}"


def _device(world: World, name: str) -> None:
    done(world.inventory.post(f"{INVENTORY}/devices", json={"id": name, "attributes": []}))


def _send(world: World, name: str) -> Facts:
    _device(world, name)
    reply = world.drogue.post(
        f"{COMMAND}/{_place(name)}",
        params={"command": "boil"},
        content=PAYLOAD,
        headers={"Content-Type": "application/json"},
    )
    world.notes[name] = done(reply).headers["Request"]
    return {"command": "boil", "payload": PAYLOAD}


def _apply(world: World, name: str) -> Facts:
    _device(world, name)
    expires = datetime.now(UTC) + timedelta(minutes=5)
    spec = {
        "application": APPLICATION,
        "device": name,
        "name": "boil",
        "expiresAt": expires.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "payload": {
            "contentType": "application/json",
            "base64": base64.b64encode(PAYLOAD.encode()).decode(),
        },
    }
    world.apply("Command", name, spec)
    world.notes[name] = name
    return {"command": "boil", "payload": PAYLOAD}


SEND = Making("drogue", "`POST /api/command/v1alpha1/…`", WORDS, _send)
APPLY = Making("kubectl", "`apply`", WORDS, _apply)


def _see_object(world: World, name: str) -> Facts | None:
    found = world.cluster.get("Command", world.notes[name])
    if found is None or found["metadata"].get("deletionTimestamp"):
        return None
    payload = base64.b64decode(found["spec"]["payload"]["base64"]).decode()
    answer = found.get("status", {}).get("answer", {}).get("status")
    return {"command": found["spec"]["name"], "payload": payload, "answer": answer}


def _take(world: World, name: str) -> Facts | None:
    reply = world.drogue.get(f"{COMMAND}/inbox/{_place(name)}")
    if reply.status_code == 404:
        return None
    done(reply)
    return {"command": reply.headers["Command"], "payload": reply.text}


def _answer(world: World, name: str) -> Facts:
    taken = world.waited(lambda: _take(world, name))
    assert taken["command"] == "boil"
    query = {"request": world.notes[name], "status": 207}
    done(world.drogue.post(f"{COMMAND}/outbox/{_place(name)}", params=query))
    return {"answer": 207}


MATTER = Matter(
    "command",
    "A command",
    (SEND, APPLY),
    (
        Look("kubectl", "`get commands`", (*WORDS, "answer"), _see_object),
        Look("drogue", "`GET …/inbox/…`", WORDS, _take, takes=True),
    ),
    (Change("drogue", "`POST …/outbox/…`", ("answer",), APPLY, _answer),),
    (
        Removal(
            "kubectl",
            "`delete`",
            SEND,
            lambda world, name: world.kubectl("delete", "command", world.notes[name]),
        ),
    ),
)
