"""Commands: sent, waited for, delivered once, answered."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from urllib.parse import quote

import httpx
import pytest

from polyfleet.fleet.instants import timestamp
from polyfleet.fleet.objects.kinds import COMMANDS
from tests.dialects.drogue.inbox import PASSWORD, answer, at, fetch, send
from tests.dialects.drogue.registry import (
    NOT_FOUND,
    Registry,
    apps,
    device,
    devices,
    error,
)
from tests.dialects.people import Person
from tests.dialects.waiting import eventually
from tests.facade_fixtures import FacadeServer, running_facade


@pytest.fixture(scope="module")
def other(server: FacadeServer) -> Iterator[FacadeServer]:
    """Another replica."""
    with running_facade(server.settings) as running:
        yield running


def test_a_command_is_delivered_once_with_its_payload(
    registry: Registry, app: str, name: str, itself: httpx.Client
) -> None:
    sent = send(registry, app, name, "reboot", json={"delay": 1.0})
    assert (sent.status_code, sent.content) == (202, b"")
    got = fetch(itself, app, name)
    assert got.status_code == 200
    assert got.headers["command"] == "reboot"
    assert got.headers["request"] == sent.headers["request"]
    assert got.headers["content-type"] == "application/json"
    assert got.content == sent.request.content
    assert error(fetch(itself, app, name)) == NOT_FOUND


def test_a_command_without_a_payload_has_none(
    registry: Registry, app: str, name: str, itself: httpx.Client
) -> None:
    send(registry, app, name, "ping")
    got = fetch(itself, app, name)
    assert (got.status_code, got.content) == (200, b"")


def test_commands_come_in_the_order_in_which_they_were_sent(
    registry: Registry, app: str, name: str, itself: httpx.Client
) -> None:
    for number in range(3):
        send(registry, app, name, f"c{number}", content=bytes([number]))
    got = [fetch(itself, app, name) for _ in range(3)]
    assert [reply.headers["command"] for reply in got] == ["c0", "c1", "c2"]
    assert [reply.content for reply in got] == [b"\0", b"\1", b"\2"]


@pytest.mark.parametrize(
    "names",
    [("two words", "two words"), ("ü\r\nX: y", "%C3%BC%0D%0AX: y"), ("50%", "50%25")],
)
def test_a_name_that_no_header_can_hold_is_escaped(
    registry: Registry, app: str, name: str, itself: httpx.Client, names: tuple[str, str]
) -> None:
    send(registry, app, name, names[0])
    got = fetch(itself, app, name)
    assert got.headers["command"] == names[1]
    assert "x" not in got.headers


def test_a_waiting_device_gets_what_is_sent_through_another_replica(
    registry: Registry, app: str, name: str, itself: httpx.Client, other: FacadeServer
) -> None:
    owner = registry.owner
    with ThreadPoolExecutor(1) as pool, other.client(auth=(owner.name, owner.token)) as there:
        waiting = pool.submit(fetch, itself, app, name, timeout=25)
        eventually(lambda: there.get(devices(app, name)).status_code == 200)
        sent = there.post(at(app, name), params={"command": "go"})
        assert sent.status_code == 202
        got = waiting.result(30)
    assert (got.status_code, got.headers["command"]) == (200, "go")


def test_of_many_that_wait_on_two_replicas_one_gets_a_command(
    registry: Registry, app: str, name: str, server: FacadeServer, other: FacadeServer
) -> None:
    auth = (f"{quote(name, safe='')}@{app}", PASSWORD)
    begun = threading.Barrier(7)

    def wait(where: FacadeServer) -> int:
        with where.client(auth=auth) as caller:
            begun.wait(30)
            return fetch(caller, app, name, timeout=3).status_code

    owner = registry.owner
    with other.client(auth=(owner.name, owner.token)) as there:
        eventually(lambda: there.get(devices(app, name)).status_code == 200)
    with ThreadPoolExecutor(6) as pool:
        waiting = [pool.submit(wait, where) for where in (server, other) * 3]
        begun.wait(30)
        send(registry, app, name, "one")
        send(registry, app, name, "two")
        found = sorted(future.result(60) for future in waiting)
    assert found == [200, 200, 404, 404, 404, 404]


def test_a_device_that_went_away_takes_no_command(
    registry: Registry, app: str, name: str, server: FacadeServer, itself: httpx.Client
) -> None:
    with server.client(auth=(f"{quote(name, safe='')}@{app}", PASSWORD)) as gone:
        gone.timeout = httpx.Timeout(1.0)
        with pytest.raises(httpx.TimeoutException):
            fetch(gone, app, name, timeout=200)
    send(registry, app, name, "late")
    assert fetch(itself, app, name, timeout=10).headers["command"] == "late"


def test_an_answer_is_kept_with_the_command(
    registry: Registry,
    app: str,
    name: str,
    itself: httpx.Client,
    shared_kubectl: Callable[..., str],
) -> None:
    send(registry, app, name, "measure")
    request = fetch(itself, app, name).headers["request"]
    given = {"params": {"request": request, "status": "200"}, "json": {"t": 21.5}}
    reply = answer(itself, app, name, **given)
    assert (reply.status_code, reply.content) == (200, b"")
    status = shared_kubectl("get", "command", request, "-o", "jsonpath={.status.answer}")
    assert '"status":200' in status
    assert answer(itself, app, name, **given).status_code == 200
    given["json"] = {"t": 22.5}
    assert error(answer(itself, app, name, **given))[0] == 409


@pytest.mark.parametrize("status", ["0", "999", "1000", "-1", "0200", "2e2", "OK", "nö: 1 %", "²"])
def test_a_status_is_any_text(  # noqa: PLR0917 - fixtures
    registry: Registry,
    app: str,
    name: str,
    itself: httpx.Client,
    shared_kubectl: Callable[..., str],
    status: str,
) -> None:
    send(registry, app, name, "measure")
    request = fetch(itself, app, name).headers["request"]
    given = {"params": {"request": request, "status": status}}
    assert answer(itself, app, name, **given).status_code == 200
    assert answer(itself, app, name, **given).status_code == 200
    found = shared_kubectl("get", "command", request, "-o", "jsonpath={.status.answer.status}")
    assert found == status
    assert f" {status} " in shared_kubectl("get", "command", request)
    given["params"]["status"] += "1"
    assert error(answer(itself, app, name, **given))[0] == 409


def test_an_answer_without_a_request_is_for_the_newest_command(
    registry: Registry,
    app: str,
    name: str,
    itself: httpx.Client,
    shared_kubectl: Callable[..., str],
) -> None:
    requests = []
    for command in ("a", "b"):
        send(registry, app, name, command)
        requests.append(fetch(itself, app, name).headers["request"])
    for status in (501, 502):
        assert answer(itself, app, name, params={"status": status}).status_code == 200
    found = [
        shared_kubectl("get", "command", item, "-o", "jsonpath={.status.answer.status}")
        for item in requests
    ]
    assert found == ["502", "501"]
    assert error(answer(itself, app, name, params={"status": 200})) == NOT_FOUND


def test_what_was_not_delivered_cannot_be_answered(
    registry: Registry, app: str, name: str, itself: httpx.Client
) -> None:
    request = send(registry, app, name, "x").headers["request"]
    query = {"request": request, "status": 200}
    assert error(answer(itself, app, name, params=query)) == NOT_FOUND


def test_an_expired_command_is_not_delivered(
    registry: Registry, app: str, name: str, itself: httpx.Client
) -> None:
    facade = registry.server.facade
    spec = {
        "application": app,
        "device": name,
        "name": "old",
        "expiresAt": timestamp(facade.clock() - timedelta(seconds=1)),
    }
    registry.server.call(facade.writer.create(COMMANDS, f"old-{app}", spec))
    assert error(fetch(itself, app, name)) == NOT_FOUND


def test_a_command_of_kubectl_is_delivered(
    app: str, name: str, itself: httpx.Client, shared_kubectl: Callable[..., str]
) -> None:
    shared_kubectl(
        "apply",
        "-f",
        "-",
        stdin=f"""
apiVersion: polyfleet.dev/v1alpha1
kind: Command
metadata: {{name: by-hand-{app}}}
spec: {{application: {app}, device: "{name}", name: hello, expiresAt: "2090-01-01T00:00:00Z"}}
""",
    )
    assert fetch(itself, app, name, timeout=20).headers["command"] == "hello"


def test_at_most_64_commands_wait_for_a_device(registry: Registry, app: str, name: str) -> None:
    for number in range(64):
        assert send(registry, app, name, f"c{number}").status_code == 202
    reply = send(registry, app, name, "one more")
    assert error(reply)[:2] == (503, "QueueFull")
    assert fetch(registry.owner, app, name).status_code == 200
    assert send(registry, app, name, "one more").status_code == 202


def test_a_device_that_cannot_be_reached_is_not_acceptable(registry: Registry, app: str) -> None:
    registry.device(app, "off", spec={"core": {"disabled": True}})
    for name in ("none", "off"):
        assert error(send(registry, app, name, "x"))[:2] == (406, "NotAcceptable")


def test_a_disabled_application_locks_its_devices_out(
    registry: Registry, app: str, name: str, itself: httpx.Client
) -> None:
    body = {"metadata": {"name": app}, "spec": {"core": {"disabled": True}}}
    registry.owner.put(apps(app), json=body)
    assert error(send(registry, app, name, "x"))[0] == 406
    assert fetch(itself, app, name).status_code == 401


def test_json_must_be_json(registry: Registry, app: str, name: str) -> None:
    headers = {"content-type": "application/json; charset=utf-8"}
    reply = send(registry, app, name, "x", content=b"{", headers=headers)
    assert error(reply)[:2] == (406, "NotAcceptable")
    assert send(registry, app, name, "x", content=b"{").status_code == 202


def test_a_payload_of_more_than_64_kib_is_too_large(
    registry: Registry, app: str, name: str
) -> None:
    assert error(send(registry, app, name, "x", content=b"x" * 65_537))[0] == 413
    assert send(registry, app, name, "x", content=b"x" * 65_536).status_code == 202
    command = {"request": "any", "status": "200"}
    reply = answer(registry.owner, app, name, params=command, content=b"x" * 65_537)
    assert error(reply)[0] == 413


@pytest.mark.parametrize(
    "query", ["", "?command=", "?command=a&command=b", f"?command={'x' * 1025}"]
)
def test_one_command_is_needed(registry: Registry, app: str, name: str, query: str) -> None:
    assert error(registry.owner.post(at(app, name) + query))[:2] == (400, "BadRequest")


@pytest.mark.parametrize("timeout", ["-1", "x", "1e3", "inf", "1.²", "1.٣", "²", "."])
def test_a_bad_time_is_refused(registry: Registry, app: str, name: str, timeout: str) -> None:
    assert error(fetch(registry.owner, app, name, timeout=timeout))[:2] == (400, "BadRequest")


@pytest.mark.parametrize(
    "query",
    [{}, {"status": ""}, {"status": "x" * 257}, {"status": "a\x1b[2K"}, {"status": ["1", "2"]}],
)
def test_a_bad_status_is_refused(
    registry: Registry, app: str, name: str, query: dict[str, str]
) -> None:
    assert error(answer(registry.owner, app, name, params=query))[:2] == (400, "BadRequest")


def test_a_device_sees_no_other_inbox(
    registry: Registry, app: str, name: str, itself: httpx.Client
) -> None:
    registry.device(app, "d2")
    assert fetch(itself, app, "d2").status_code == 401
    assert fetch(itself, registry.app(), name).status_code == 401
    assert itself.get(devices(app, name)).status_code == 403


def test_a_wrong_password_is_refused_and_a_new_one_counts_at_once(
    registry: Registry, server: FacadeServer, app: str, itself: httpx.Client, name: str
) -> None:
    assert error(fetch(itself, app, name)) == NOT_FOUND
    spec = {"authentication": {"credentials": [{"pass": "another"}]}}
    registry.owner.put(devices(app, name), json=device(app, name, spec=spec))
    assert fetch(itself, app, name).status_code == 401
    with server.client(auth=(f"{quote(name, safe='')}@{app}", "another")) as caller:
        assert fetch(caller, app, name).status_code == 404


def test_a_user_name_of_the_device_opens_its_inbox(
    registry: Registry, server: FacadeServer, app: str
) -> None:
    user = {"username": "sensor", "password": PASSWORD}
    registry.device(app, "d", spec={"credentials": {"credentials": [{"user": user}]}})
    with server.client(auth=("sensor", PASSWORD)) as caller:
        assert fetch(caller, app, "d").status_code == 404
    with server.client(auth=(f"d@{app}", PASSWORD)) as caller:
        assert fetch(caller, app, "d").status_code == 401


def test_a_device_token_opens_its_own_inbox_only(
    registry: Registry, server: FacadeServer, app: str, name: str, person: Callable[..., Person]
) -> None:
    registry.device(app, "d2")
    facade = server.facade
    found = facade.cache.devices.get(f"{app}.d2")
    assert found is not None

    async def issue() -> str:
        return facade.identity.issue_device_token(found)

    with server.client(server.call(issue())) as caller:
        assert fetch(caller, app, "d2").status_code == 404
        assert fetch(caller, app, name).status_code == 404
        assert error(caller.post(at(app, "d2"), params={"command": "x"}))[0] == 401
