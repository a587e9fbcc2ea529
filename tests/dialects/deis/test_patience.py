"""How long a change of what runs waits until it runs, before it is answered.

An operator brings it to run, and Deployments are real; there is no node, so the status of Pods is
what a test says, as a kubelet would.
"""

import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import kubectl_in
from tests.facade_fixtures import running_facade
from tests.operator.conftest import Start, condition_of, eventually
from tests.operator.conftest import start_operator as start_operator  # noqa: PLC0414 - a fixture
from tests.operator.workload import Workload, running, waiting
from tests.stage import Stage, play

pytestmark = pytest.mark.controller_manager
# A web process has a probe, so that it counts as soon as it is ready.
PROCFILE = {"web": "serve"}
SECONDS = 180.0


@pytest.fixture(scope="module")
def stage(
    admin_kubeconfig: Path, start_operator: Start, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    """Provide a facade that waits as long as it can be told to."""
    directory = tmp_path_factory.mktemp("patience")
    with play(admin_kubeconfig, start_operator, directory, deis={"patience": 60}) as found:
        yield found


@pytest.fixture
def caller(stage: Stage) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"token {stage.token}"}
    with stage.server.client(headers=headers) as found:
        found.timeout = httpx.Timeout(SECONDS)
        yield found


@pytest.fixture
def shop(stage: Stage, caller: httpx.Client, admin_kubeconfig: Path, tmp_path: Path) -> Workload:
    """Provide an application without anything to run."""
    name = f"shop-{secrets.token_hex(4)}"
    assert caller.post("/v1/apps", json={"id": name}).status_code == 201
    kubectl = kubectl_in(stage.fleet.namespace, admin_kubeconfig, tmp_path / "cache")
    return Workload(stage.fleet, kubectl, name)


Ask = Callable[..., Future[httpx.Response]]


@pytest.fixture
def ask(caller: httpx.Client, shop: Workload) -> Iterator[Ask]:
    """Provide requests that are waited for while the test goes on."""
    with ThreadPoolExecutor() as threads:
        yield lambda path, **body: threads.submit(
            caller.post, f"/v1/apps/{shop.application}/{path}", json=body
        )


def appears(shop: Workload, release: str, count: int = 1) -> None:
    eventually(lambda: len(shop.pods(release)) == count, f"the Pods of {release}")


def status_of(shop: Workload) -> dict[str, Any]:
    found = shop.fleet.get("Application", shop.application)
    assert found is not None
    status: dict[str, Any] = found["status"]
    return status


def deployed(shop: Workload, ask: Ask) -> None:
    """Deploy a first build, and look at when that is answered."""
    answer = ask("builds", image="registry/shop:1", procfile=PROCFILE)
    appears(shop, "v2")
    assert not answer.done()
    shop.set_pods("v2", running())
    reply = answer.result(SECONDS)
    assert (reply.status_code, reply.headers["x-deis-release"]) == (201, "2")
    assert status_of(shop)["deployedRelease"] == 2


def test_a_deploy_is_answered_when_it_runs(shop: Workload, ask: Ask) -> None:
    deployed(shop, ask)


def test_a_configuration_and_a_rollback_are_answered_when_they_run(
    shop: Workload, ask: Ask
) -> None:
    deployed(shop, ask)
    answer = ask("config", values={"COLOUR": "copper"})
    appears(shop, "v3")
    assert not answer.done()
    shop.comes_to_run(3)
    assert answer.result(SECONDS).status_code == 201
    answer = ask("releases/rollback", version=2)
    appears(shop, "v4")
    assert not answer.done()
    shop.comes_to_run(4)
    assert answer.result(SECONDS).json() == {"version": 4}


def test_more_processes_are_answered_for_when_they_run(shop: Workload, ask: Ask) -> None:
    deployed(shop, ask)
    answer = ask("scale", web=2)
    appears(shop, "v2", 2)
    assert not answer.done()
    shop.set_pods("v2", running())
    assert answer.result(SECONDS).status_code == 204
    assert status_of(shop)["processes"] == [{"type": "web", "replicas": 2, "ready": 2}]


def test_a_deploy_that_fails_is_answered_at_once_and_told_of_in_the_log(
    shop: Workload, ask: Ask, caller: httpx.Client
) -> None:
    deployed(shop, ask)
    name = shop.application
    answer = ask("builds", image="registry/broken:1", procfile=PROCFILE)
    broken = waiting("InvalidImageName", "cannot parse registry/broken:1")
    eventually(lambda: shop.set_pods("v3", broken) == 1, "the Pod of v3")
    shop.fleet.condition("Release", f"{name}-v3", "Failed", "True", "ImagePullFailed")
    # On a machine that was fast until now, it would have more time than this to wait.
    reply = answer.result(25)
    assert (reply.status_code, reply.headers["x-deis-release"]) == (201, "3")
    release = shop.fleet.get("Release", f"{name}-v3")
    assert release is not None
    assert condition_of(release, "Failed")[0] == "True"
    path = f"/v1/apps/{name}/logs"
    eventually(lambda: "v3: ImagePullFailed" in caller.get(path).json(), "the log tells")
    shop.fleet.comes_to("Application", name, lambda item: item["status"]["release"] == 2)


def test_a_destroyed_application_is_gone_when_that_is_answered(
    shop: Workload, ask: Ask, caller: httpx.Client
) -> None:
    deployed(shop, ask)
    name = shop.application
    assert caller.delete(f"/v1/apps/{name}").status_code == 204
    assert shop.fleet.get("Application", name) is None
    assert caller.post("/v1/apps", json={"id": name}).status_code == 201
    # However it was deleted.
    shop.fleet.delete("Application", name)
    eventually(lambda: caller.get(f"/v1/apps/{name}").status_code == 404, "the facade knows")
    assert caller.post("/v1/apps", json={"id": name}).status_code == 201


def test_a_deploy_is_answered_when_the_patience_ends(stage: Stage, shop: Workload) -> None:
    server = stage.server
    hasty = server.settings.deis.model_copy(update={"patience": 0.2})
    headers = {"Authorization": f"token {stage.token}"}
    body = {"image": "registry/shop:1", "procfile": PROCFILE}
    with (
        running_facade(server.settings.model_copy(update={"deis": hasty})) as other,
        other.client(headers=headers) as caller,
    ):
        reply = caller.post(f"/v1/apps/{shop.application}/builds", json=body)
    assert (reply.status_code, reply.headers["x-deis-release"]) == (201, "2")
    assert status_of(shop).get("deployedRelease", 0) == 0
    # What was asked for is recorded, and is done.
    shop.comes_to_run(2)
