"""The first administrator, made from the command line, and what their secrets open."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.cli.conftest import RunCommand
from tests.facade_fixtures import FacadeServer

DEADLINE = 30.0

Kubectl = Callable[..., str]


def status_of(server: FacadeServer, *, wanted: int, **options: object) -> httpx.Response:
    """Ask who we are until the facade has heard of what the command line wrote."""
    end = time.monotonic() + DEADLINE
    with httpx.Client(base_url=server.url, trust_env=False) as client:
        while True:
            answer = client.get("/polyfleet/v1/whoami", **options)  # type: ignore[arg-type]
            if answer.status_code == wanted or time.monotonic() > end:
                return answer
            time.sleep(0.05)


def by_token(server: FacadeServer, token: str, *, wanted: int = 200) -> httpx.Response:
    return status_of(server, wanted=wanted, headers={"Authorization": f"Bearer {token}"})


def test_the_first_administrator_gets_a_password_and_a_token_that_work(
    polyfleet: RunCommand, facade_server: FacadeServer
) -> None:
    done = polyfleet("admin", "bootstrap", "--output", "json")
    assert done.exit_code == 0, done.output
    made = json.loads(done.stdout)
    assert (made["user"], made["created"]) == ("admin", True)
    answer = by_token(facade_server, made["token"])
    assert answer.json()["administrator"]
    answer = status_of(facade_server, wanted=200, auth=("admin", made["password"]))
    assert answer.json()["source"] == "password"


def test_a_second_time_nothing_is_changed_and_no_secret_shown(
    polyfleet: RunCommand, kubectl: Kubectl
) -> None:
    polyfleet("admin", "bootstrap", "--user", "ada")
    before = kubectl("get", "users,accesstokens", "-o", "json")
    done = polyfleet("admin", "bootstrap", "--output", "json")
    assert done.exit_code == 0
    assert json.loads(done.stdout) == {"user": "ada", "created": False}
    assert "ada exists" in polyfleet("admin", "bootstrap").stdout
    assert kubectl("get", "users,accesstokens", "-o", "json") == before


def test_a_reset_makes_new_secrets_and_the_old_ones_end(
    polyfleet: RunCommand, facade_server: FacadeServer
) -> None:
    first = json.loads(polyfleet("admin", "bootstrap", "--output", "json").stdout)
    assert by_token(facade_server, first["token"]).status_code == 200
    done = polyfleet("admin", "bootstrap", "--reset", "--output", "json")
    second = json.loads(done.stdout)
    assert second["token"] != first["token"]
    assert second["password"] != first["password"]
    assert not second["created"]
    assert by_token(facade_server, second["token"]).status_code == 200
    assert by_token(facade_server, first["token"], wanted=401).status_code == 401


def test_a_password_that_was_given_is_not_shown(
    polyfleet: RunCommand, facade_server: FacadeServer
) -> None:
    password = "correct horse battery staple"
    done = polyfleet("admin", "bootstrap", "--password-stdin", stdin=f"{password}\n")
    assert done.exit_code == 0, done.output
    assert password not in done.output
    assert "Access token:" in done.stdout
    answer = status_of(facade_server, wanted=200, auth=("admin", password))
    assert answer.status_code == 200


def test_a_password_may_come_from_a_secret(
    polyfleet: RunCommand, kubectl: Kubectl, facade_server: FacadeServer
) -> None:
    password = "another horse battery staple"
    kubectl("create", "secret", "generic", "first", f"--from-literal=password={password}")
    done = polyfleet("admin", "bootstrap", "--password-from-secret", "first")
    assert done.exit_code == 0, done.output
    assert status_of(facade_server, wanted=200, auth=("admin", password)).status_code == 200


@pytest.mark.parametrize(
    ("literal", "text"),
    [(None, "there is no Secret absent"), ("other=x", "has no key password")],
)
def test_a_secret_without_a_password_is_told(
    polyfleet: RunCommand, kubectl: Kubectl, literal: str | None, text: str
) -> None:
    name = "absent"
    if literal is not None:
        kubectl("create", "secret", "generic", name, f"--from-literal={literal}")
    done = polyfleet("admin", "bootstrap", "--password-from-secret", name)
    assert done.exit_code == 1
    assert text in done.stderr


def test_a_password_that_is_too_short_makes_nobody(polyfleet: RunCommand, kubectl: Kubectl) -> None:
    done = polyfleet("admin", "bootstrap", "--password-stdin", stdin="x\n")
    assert done.exit_code == 1
    assert done.stderr
    assert kubectl("get", "users", "-o", "name") == ""


def test_an_ordinary_user_is_made_an_administrator_only_on_demand(
    polyfleet: RunCommand, kubectl: Kubectl
) -> None:
    user = {
        "apiVersion": "polyfleet.dev/v1alpha1",
        "kind": "User",
        "metadata": {"name": "ada"},
        "spec": {"name": "ada"},
    }
    kubectl("apply", "-f", "-", stdin=json.dumps(user))
    refused = polyfleet("admin", "bootstrap", "--user", "ada")
    assert refused.exit_code == 1
    assert "--reset" in refused.stderr
    assert polyfleet("admin", "bootstrap", "--user", "ada", "--reset").exit_code == 0
    assert json.loads(kubectl("get", "user", "ada", "-o", "json"))["spec"]["administrator"]


def test_a_kubeconfig_that_is_not_there_is_told(
    polyfleet: RunCommand, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "absent"))
    done = polyfleet("admin", "bootstrap")
    assert done.exit_code == 1
    assert "kubeconfig" in done.stderr
    assert "absent" in done.stderr


def test_a_rotation_of_keys_logs_nobody_out(
    polyfleet: RunCommand, facade_server: FacadeServer, admin_token: str
) -> None:
    with facade_server.client() as client:
        form = {"grant_type": "client_credentials"}
        answer = client.post("/oauth/token", data=form, auth=("admin", admin_token))
    token = answer.raise_for_status().json()["access_token"]
    before = facade_server.facade.identity.keys.ring.current_id
    done = polyfleet("admin", "rotate-keys")
    assert done.exit_code == 0, done.output
    assert before not in done.output
    assert by_token(facade_server, token).status_code == 200
    facade_server.call(facade_server.facade.identity.keys.reload())
    assert facade_server.facade.identity.keys.ring.current_id in done.output
    assert by_token(facade_server, token).status_code == 200


def test_without_a_token_none_is_made_and_nothing_secret_printed(
    polyfleet: RunCommand, kubectl: Kubectl, facade_server: FacadeServer
) -> None:
    password = "a horse without a token"
    kubectl("create", "secret", "generic", "given", f"--from-literal=password={password}")
    done = polyfleet("admin", "bootstrap", "--password-from-secret", "given", "--no-token")
    assert (done.exit_code, done.stdout) == (0, "Administrator: admin\n")
    assert kubectl("get", "accesstokens", "-o", "name") == ""
    answer = status_of(facade_server, wanted=200, auth=("admin", password))
    assert answer.status_code == 200
