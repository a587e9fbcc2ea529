"""The three families of Deis' command lines, by what facts/deis.md section 2 says they send.

Each walks the same commands in the same order with the headers, slashes and bodies of its family,
and takes from each answer what that family's code takes. The node is a fake (see fake_kubelet).
"""

import json
import secrets
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from kubernetes import client

from polyfleet.local.install import connect
from tests.dialects.deis.controller import PASSWORD, unique
from tests.dialects.deis.fake_kubelet import fake_node
from tests.dialects.people import Person
from tests.facade_fixtures import FacadeServer


@dataclass(frozen=True)
class Family:
    """What tells a family of clients from the others."""

    headers: dict[str, str]
    slash: str
    texts: bool
    """Whether maps are sent as texts of JSON, and accounts by forms."""
    release_header: str
    raw_logs: bool

    def maps(self, **maps: dict[str, Any]) -> dict[str, Any]:
        return {key: json.dumps(value) if self.texts else value for key, value in maps.items()}


FAMILIES = {
    "Python 1.0.1": Family({"X-Deis-Version": "1.0"}, "", True, "X-Deis-Release", False),
    "Python 1.9.1": Family({"X-Deis-Version": "1"}, "", True, "Deis-Release", False),
    "Go 1.13.4": Family({"User-Agent": "Deis Client v1.13.4"}, "/", False, "Deis-Release", True),
}


class CommandLine:
    """Sends what a family sends."""

    def __init__(self, server: FacadeServer, family: Family) -> None:
        self.family = family
        self.client = server.client(headers={"User-Agent": "python-requests/2.3.0"})

    def send(
        self, method: str, path: str, body: Any = None, *, status: int, form: bool = False
    ) -> httpx.Response:
        target = f"/v1/{path}"
        if not target.endswith("/") and "?" not in target:
            target += self.family.slash
        sent: dict[str, Any] = {} if body is None else {"data" if form else "json": body}
        headers = {} if form else self.family.headers
        reply = self.client.request(method, target, headers=headers, **sent)
        assert reply.status_code == status, (method, path, reply.text)
        if self.family.raw_logs and not form:
            assert reply.headers["DEIS_API_VERSION"] == "1.7"
        return reply


@pytest.fixture
def accounts(
    admin_kubeconfig: Path, server: FacadeServer, tmp_path: Path
) -> Iterator[Callable[[str], None]]:
    """Run one-off commands on a fake node; provide a maker of applications' accounts."""
    namespace = server.settings.namespace
    with connect(admin_kubeconfig) as connection:
        core = client.CoreV1Api(connection)
        with fake_node(core, f"fake-{secrets.token_hex(4)}", tmp_path) as node:
            thread = threading.Thread(target=node.run_commands, args=[namespace], daemon=True)
            thread.start()

            def account(app: str) -> None:
                core.create_namespaced_service_account(
                    namespace, {"metadata": {"name": f"app-{app}"}}
                )

            yield account
            node.stopped.set()
            thread.join(10)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_whole_session_of_each_family(  # noqa: PLR0915 - one session, in its order
    server: FacadeServer,
    stranger: Person,
    root: Person,
    accounts: Callable[[str], None],
    name: str,
) -> None:
    family = FAMILIES[name]
    cli = CommandLine(server, family)
    user, app = unique("user"), unique("app")
    if name != "Python 1.0.1":
        cli.send("GET", "", status=401)  # is there a controller?
    register = {"username": user, "password": PASSWORD, "email": f"{user}@example.com"}
    cli.send("POST", "auth/register", register, status=201, form=family.texts)
    login = {"username": user, "password": PASSWORD}
    reply = cli.send("POST", "auth/login/", login, status=200, form=family.texts)
    cli.client.headers["Authorization"] = f"token {reply.json()['token']}"

    def released(reply: httpx.Response) -> int:
        return int(reply.headers[family.release_header])

    assert cli.send("POST", "apps", {"id": app}, status=201).json()["id"] == app
    config = family.maps(values={"FOO": "bar", "N": 5})
    reply = cli.send("POST", f"apps/{app}/config", config, status=201)
    assert (released(reply), reply.json()["values"]) == (2, {"FOO": "bar", "N": 5})
    for maps in ({"memory": {"web": "512M"}}, {"cpu": {"web": "512"}}, {"tags": {"rack": "a"}}):
        reply = cli.send("POST", f"apps/{app}/config", family.maps(**maps), status=201)
        released(reply)
    assert reply.json()["cpu"] == {"web": 512}  # Go panics unless it is a number
    values = family.maps(values={"N": None})
    assert cli.send("POST", f"apps/{app}/config", values, status=201).json()["values"] == {
        "FOO": "bar"
    }
    shown = cli.send("GET", f"apps/{app}/config", status=200).json()
    assert shown["memory"] == {"web": "512M"}
    build: dict[str, Any] = {"image": "deis/example-go"}
    if name != "Python 1.0.1":
        build["procfile"] = {"web": "run"}
    assert released(cli.send("POST", f"apps/{app}/builds", build, status=201)) == 7
    cli.send("GET", f"apps/{app}/builds", status=200)
    kind = "cmd" if name == "Python 1.0.1" else "web"
    cli.send("POST", f"apps/{app}/scale", {kind: 3}, status=204)
    found = cli.send("GET", f"apps/{app}/containers", status=200).json()["results"]
    assert all({"type", "num", "state", "release"} <= item.keys() for item in found)
    size = "?page_size=100" if family.raw_logs else ""
    found = cli.send("GET", f"apps/{app}/releases/{size}", status=200).json()
    assert (found["count"], found["results"][0]["version"]) == (7, 7)
    cli.send("GET", f"apps/{app}/releases/v2", status=200)
    reply = cli.send("POST", f"apps/{app}/releases/rollback", {"version": 2}, status=201)
    assert reply.json()["version"] == 8
    cli.send("POST", f"apps/{app}/run", {"command": "true"}, status=400)  # v2 has no build
    assert cli.send("POST", f"apps/{app}/releases/rollback", {}, status=201).json()["version"] == 9
    host = f"{app}.example.org"
    cli.send("POST", f"apps/{app}/domains", {"domain": host}, status=201)
    assert cli.send("GET", f"apps/{app}/domains", status=200).json()["results"][0]["domain"] == host
    cli.send("DELETE", f"apps/{app}/domains/{host}", status=204)
    cli.send("POST", f"apps/{app}/perms", {"username": stranger.name}, status=201)
    assert cli.send("GET", f"apps/{app}/perms", status=200).json()["users"] == [stranger.name]
    cli.send("DELETE", f"apps/{app}/perms/{stranger.name}", status=204)
    public = Ed25519PrivateKey.generate().public_key()
    line = public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    identifier = f"{user}@laptop"
    line = f"{line} {identifier}\n" if family.raw_logs else line  # Go sends the whole line
    cli.send("POST", "keys", {"id": identifier, "public": line}, status=201)
    keys = cli.send("GET", "keys", status=200).json()
    assert (keys["count"], keys["results"][0]["owner"]) == (1, user)
    cli.send("DELETE", f"keys/{identifier}", status=204)
    for path in (f"apps/{app}", f"apps/{app}/containers", f"apps/{app}/domains", "apps"):
        cli.send("GET", path, status=200)
    logs = cli.send("GET", f"apps/{app}/logs", status=200)
    text = logs.text if family.raw_logs else logs.json()
    assert f"deis[api]: {user} rolled back to v7\n" in text
    accounts(app)
    reply = cli.send("POST", f"apps/{app}/run", {"command": "echo hi"}, status=200)
    code, output = reply.json()
    assert (code, output) == (0, "hi\n")
    passwords = {"password": PASSWORD, "new_password": "another password"}
    cli.send("POST", "auth/passwd", passwords, status=200)
    cli.send("DELETE", f"apps/{app}", status=204)
    cli.send("DELETE", f"apps/{app}", status=404)
    grant = root.post("/v1/admin/perms", json={"username": user})
    assert grant.status_code == 201
    cli.send("POST", "admin/perms", {"username": stranger.name}, status=201)
    cli.send("DELETE", f"admin/perms/{stranger.name}", status=204)
    cli.send("DELETE", "auth/cancel", status=204)
    cli.client.close()
