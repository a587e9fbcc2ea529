"""Containers, logs and one-off commands, on a node that is a fake and says so."""

import asyncio
import json
import secrets
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from kubernetes import client

from polyfleet.local.install import connect
from tests.dialects.deis.controller import (
    NOT_FOUND,
    REQUIRED,
    Controller,
    detail,
    mistakes,
    results,
)
from tests.dialects.deis.fake_kubelet import Cluster, FakeNode, fake_node
from tests.dialects.people import Person
from tests.dialects.waiting import eventually
from tests.facade_fixtures import FacadeServer, running_facade

GO = {"User-Agent": "Deis Client v1.13.4"}
PYTHON = {"X-Deis-Version": "1"}


@pytest.fixture(scope="module")
def core(admin_kubeconfig: Path) -> Iterator[client.CoreV1Api]:
    with connect(admin_kubeconfig) as connection:
        yield client.CoreV1Api(connection)


@pytest.fixture(scope="module")
def node(
    core: client.CoreV1Api, server: FacadeServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FakeNode]:
    name = f"fake-{secrets.token_hex(4)}"
    with fake_node(core, name, tmp_path_factory.mktemp("node")) as node:
        namespace = server.settings.namespace
        thread = threading.Thread(target=node.run_commands, args=[namespace], daemon=True)
        thread.start()
        yield node
        node.stopped.set()
        thread.join(10)


@pytest.fixture(scope="module")
def cluster(core: client.CoreV1Api, server: FacadeServer, node: FakeNode) -> Cluster:
    return Cluster(core, server, node, server.settings.namespace)


@pytest.fixture
def deployed(controller: Controller, app: str, cluster: Cluster) -> str:
    """An application with a build, and the account its Pods need."""
    controller.build(app, procfile={"web": "run web", "worker": "run worker"})
    cluster.account(app)
    return app


def ready(*, yes: bool = True) -> dict[str, Any]:
    condition = {
        "type": "Ready",
        "status": "True" if yes else "False",
        "lastTransitionTime": "2050-01-01T00:00:00Z",
    }
    return {"phase": "Running", "conditions": [condition]}


def waiting(reason: str) -> dict[str, Any]:
    return state(waiting={"reason": reason})


def state(phase: str = "Pending", **entry: Any) -> dict[str, Any]:
    status = {
        "name": "web",
        "image": "x",
        "imageID": "",
        "ready": False,
        "restartCount": 0,
        "state": entry,
    }
    return {"phase": phase, "containerStatuses": [status]}


def listed(controller: Controller, app: str, count: int) -> list[dict[str, Any]]:
    def look() -> list[dict[str, Any]] | None:
        found = results(controller.owner.get(f"/v1/apps/{app}/containers/"))
        return found if len(found) == count else None

    found: list[dict[str, Any]] = eventually(look)
    return found


def test_containers_are_pods_numbered_by_type(
    controller: Controller, deployed: str, cluster: Cluster
) -> None:
    assert results(controller.owner.get(f"/v1/apps/{deployed}/containers")) == []
    cluster.pod(deployed, "web", **ready())
    cluster.pod(deployed, "worker", **ready())
    cluster.pod(deployed, "web", release="v3", **ready(yes=False))
    cluster.pod(deployed, "run", command=True, **ready())
    found = listed(controller, deployed, 3)
    web = [item for item in found if item["type"] == "web"]
    assert [(item["num"], item["release"], item["state"]) for item in web] in (
        [(1, "v2", "up"), (2, "v3", "created")],
        [(1, "v3", "created"), (2, "v2", "up")],  # of one second, so the name decides
    )
    first = web[0]
    assert first == {
        "owner": controller.owner.name,
        "app": deployed,
        "release": first["release"],
        "created": first["created"],
        "updated": first["created"],
        "uuid": first["uuid"],
        "type": "web",
        "num": 1,
        "state": first["state"],
    }
    base = f"/v1/apps/{deployed}/containers"
    assert results(controller.owner.get(f"{base}/web/")) == web
    assert results(controller.owner.get(f"{base}/other")) == []
    assert controller.owner.get(f"{base}/web/1/").json() == first
    for junk in ("web/3", "web/0", "web/x", "other/1", "run/1"):
        assert detail(controller.owner.get(f"{base}/{junk}")) == NOT_FOUND


def test_a_container_that_is_told_to_end_is_not_shown_and_has_no_number_any_more(
    controller: Controller, deployed: str, cluster: Cluster
) -> None:
    first = cluster.pod(deployed, "web", **ready())
    listed(controller, deployed, 1)
    cluster.pod(deployed, "web", release="v3", **ready())
    listed(controller, deployed, 2)
    # Without a kubelet it takes as long as it may.
    cluster.core.delete_namespaced_pod(first, cluster.namespace, grace_period_seconds=600)
    [left] = listed(controller, deployed, 1)
    assert (left["num"], left["release"]) == (1, "v3")
    assert detail(controller.owner.get(f"/v1/apps/{deployed}/containers/web/2")) == NOT_FOUND


def test_a_process_may_be_called_as_commands_are(
    controller: Controller, deployed: str, cluster: Cluster
) -> None:
    cluster.pod(deployed, "run", **ready())
    assert [item["type"] for item in listed(controller, deployed, 1)] == ["run"]


@pytest.mark.parametrize(
    ("status", "word"),
    [
        ({}, "initialized"),
        (waiting("ContainerCreating"), "created"),
        (waiting("ErrImagePull"), "error"),
        (waiting("CreateContainerConfigError"), "error"),
        (waiting("CrashLoopBackOff"), "crashed"),
        (state("Running", terminated={"exitCode": 1, "reason": "Error"}), "crashed"),
        (state("Running", terminated={"exitCode": 0, "reason": "Completed"}), "down"),
        ({"phase": "Failed"}, "crashed"),
        ({"phase": "Succeeded"}, "down"),
        (ready(), "up"),
        (ready(yes=False), "created"),
    ],
)
def test_a_container_is_in_one_of_the_controllers_states(
    controller: Controller, deployed: str, cluster: Cluster, status: dict[str, Any], word: str
) -> None:
    cluster.pod(deployed, "web", **status)
    eventually(lambda: listed(controller, deployed, 1)[0]["state"] == word)


def test_the_log_holds_what_was_done_and_what_containers_print_by_time(
    controller: Controller, deployed: str, cluster: Cluster, node: FakeNode
) -> None:
    name, owner = cluster.pod(deployed, "web", **ready()), controller.owner
    node.say(name, "long ago", at="2001-02-03T04:05:06.789Z")
    node.say(name, "in the future", at="2050-01-01T00:00:00.5Z")
    assert owner.post(f"/v1/apps/{deployed}/scale", json={"web": 2}).status_code == 204
    listed(controller, deployed, 1)

    def lines(query: str = "", **options: Any) -> list[str]:
        reply = owner.get(f"/v1/apps/{deployed}/logs/{query}", **options)
        assert reply.status_code == 200, reply.text
        assert reply.headers["content-type"].startswith("text/plain")
        text = reply.text if options else json.loads(reply.text)
        assert text.endswith("\n")
        return list(text.splitlines())

    eventually(lambda: any("scaled" in line for line in lines()))
    shown = lines()
    assert shown[0] == f"2001-02-03T04:05:06UTC {deployed}[web.1]: long ago"
    assert shown[-1] == f"2050-01-01T00:00:00UTC {deployed}[web.1]: in the future"
    told = [line.partition("UTC ")[2] for line in shown[1:-1]]
    assert told == [
        f"deis[api]: {owner.name} created initial release",
        f"deis[api]: {owner.name} deployed deis/example-go",
        f"deis[api]: {owner.name} scaled containers web=2",
    ]
    assert lines(headers=GO) == shown
    assert lines("?log_lines=2") == shown[-2:]
    assert lines("?log_lines=1001") == lines(f"?log_lines={'9' * 20}") == shown
    for junk in ("0", "x", "-1", ""):
        reply = owner.get(f"/v1/apps/{deployed}/logs", params={"log_lines": junk})
        assert mistakes(reply) == {"log_lines": ["must be a number from 1 on"]}


def test_a_container_whose_log_cannot_be_had_hides_no_other_line(
    controller: Controller, deployed: str, cluster: Cluster
) -> None:
    cluster.pod(deployed, "web", **ready())  # the fake node knows no log of it
    listed(controller, deployed, 1)
    reply = controller.owner.get(f"/v1/apps/{deployed}/logs")
    assert "created initial release" in reply.text


def test_an_application_without_any_line_has_no_log(root: Person) -> None:
    reply = root.get("/v1/apps/default/logs")
    assert (reply.status_code, reply.content) == (204, b"")


def test_a_log_is_followed_until_the_client_leaves(
    controller: Controller, deployed: str, cluster: Cluster, node: FakeNode
) -> None:
    name, owner = cluster.pod(deployed, "web", **ready()), controller.owner
    node.say(name, "first")
    listed(controller, deployed, 1)
    with owner.client.stream("GET", f"/v1/apps/{deployed}/logs?follow=true") as reply:
        assert reply.status_code == 200
        lines = reply.iter_lines()

        def until(text: str) -> None:
            for line in lines:
                if text in line:
                    return
            raise AssertionError(f"the stream ended before {text!r}")

        until("created initial release")
        until("[web.1]: first")
        node.say(name, "second")
        until("[web.1]: second")
        controller.configure(deployed, values={"A": "b"})
        until("added A")
        late = cluster.pod(deployed, "worker", **ready())
        node.say(late, "from another")
        until("[worker.1]: from another")
    server = controller.server
    eventually(lambda: not [name for name in tasks(server) if name.startswith("log")])


def tasks(server: FacadeServer) -> list[str]:
    async def names() -> list[str]:
        return [task.get_name() for task in asyncio.all_tasks()]

    return server.call(names())


def test_the_followers_of_a_process_are_bounded_and_end(server: FacadeServer) -> None:
    settings = server.settings.model_copy(
        update={
            "deis": server.settings.deis.model_copy(update={"followers": 1, "longest_follow": 1.0})
        }
    )
    with running_facade(settings) as other:
        token = other.user_token(f"root-{secrets.token_hex(4)}", administrator=True)
        headers = {"Authorization": f"token {token}"}
        with other.client(headers=headers) as one, other.client(headers=headers) as two:
            path = "/v1/apps/default/logs?follow=1"
            with one.stream("GET", path) as reply:
                assert reply.status_code == 200
                status, _ = detail(two.get(path))
                assert status == 429
                assert reply.read() == b""  # the second is over, and with it the stream
            assert two.get(path).status_code == 200


@pytest.mark.parametrize(
    "case",
    [
        ("echo hi", 0, "hi\n"),
        ("echo one; echo two >&2; exit 3", 3, "one\ntwo\n"),
        ("echo $(expr 1 + 1)", 0, "2\n"),
        ("test $$ -gt 1 && echo yes", 0, "yes\n"),
        ("true", 0, ""),
    ],
)
def test_a_command_is_run_and_its_container_goes(
    controller: Controller,
    deployed: str,
    cluster: Cluster,
    case: tuple[str, int, str],
) -> None:
    command, code, output = case
    reply = controller.owner.post(f"/v1/apps/{deployed}/run/", json={"command": command})
    assert (reply.status_code, reply.json()) == (200, {"rc": code, "output": output})
    assert reply.headers["content-type"] == "application/json"
    for headers in (GO, PYTHON):
        reply = controller.owner.post(
            f"/v1/apps/{deployed}/run", json={"command": command}, headers=headers
        )
        assert (reply.status_code, reply.json()) == (200, [code, output])
        assert reply.headers["content-type"].startswith("text/plain")
    eventually(lambda: cluster.runs(deployed) == [])


def test_a_command_is_run_in_an_application_of_drogue_that_was_never_configured(
    controller: Controller, cluster: Cluster
) -> None:
    name = f"drogue-{secrets.token_hex(4)}"
    body, bearer = {"metadata": {"name": name}}, f"Bearer {controller.owner.token}"
    headers = {"Authorization": bearer}
    made = controller.owner.post("/api/registry/v1alpha1/apps", json=body, headers=headers)
    assert made.status_code == 201
    controller.build(name)
    cluster.account(name)
    reply = controller.owner.post(f"/v1/apps/{name}/run", json={"command": "echo hi"})
    assert (reply.status_code, reply.json()) == (200, {"rc": 0, "output": "hi\n"})


def test_a_command_that_cannot_be_run_says_why(
    controller: Controller, app: str, cluster: Cluster, node: FakeNode
) -> None:
    def run(**fields: Any) -> httpx.Response:
        reply: httpx.Response = controller.owner.post(f"/v1/apps/{app}/run", json=fields)
        return reply

    assert mistakes(run()) == {"command": REQUIRED}
    no_build = "No build associated with this release to run this command"
    assert detail(run(command="true")) == (400, no_build)
    controller.build(app, "not/there")
    # The operator did not make its account yet.
    being_set_up = "The container cannot be made now: the application is being set up"
    assert detail(run(command="true")) == (503, being_set_up)
    cluster.account(app)
    node.images_that_cannot_be_had.add("not/there")
    status, text = detail(run(command="true"))
    assert (status, text) == (503, "The container does not start: ErrImagePull not there")
    eventually(lambda: cluster.runs(app) == [])


def test_a_container_that_the_cluster_does_not_take_is_a_conflict(
    controller: Controller, deployed: str, shared_kubectl: Callable[..., str]
) -> None:
    # The tags' schema cannot know all that Kubernetes asks of a label's key.
    tags = json.dumps({"spec": {"config": {"tags": {"a..b/c": "d"}}}})
    shared_kubectl("patch", "application", deployed, "--type", "merge", "-p", tags)
    cache = controller.server.facade.cache.applications
    eventually(lambda: "a..b/c" in str(cache.get(deployed)))
    controller.build(deployed)
    reply = controller.owner.post(f"/v1/apps/{deployed}/run", json={"command": "true"})
    status, text = detail(reply)
    assert status == 409
    assert text.startswith("The cluster does not take the container: ")


def test_a_container_that_is_more_than_a_quota_leaves_says_so(
    controller: Controller, deployed: str, cluster: Cluster
) -> None:
    name, namespace, none = f"quota-{secrets.token_hex(4)}", cluster.namespace, {"pods": "0"}
    body = {"metadata": {"name": name}, "spec": {"hard": none}}
    cluster.core.create_namespaced_resource_quota(namespace, body)
    # As the controller of quotas, which does not run here, would count.
    counted = {"status": {"hard": none, "used": none}}
    cluster.core.patch_namespaced_resource_quota_status(name, namespace, counted)

    def refused() -> bool:
        reply = controller.owner.post(f"/v1/apps/{deployed}/run", json={"command": "true"})
        return reply.status_code == 503 and "exceeded quota" in detail(reply)[1]

    try:
        eventually(refused)
    finally:
        cluster.core.delete_namespaced_resource_quota(name, namespace)
    path = f"/v1/apps/{deployed}/run"
    eventually(lambda: controller.owner.post(path, json={"command": "true"}).status_code == 200)


def test_a_command_that_takes_too_long_is_given_up(
    server: FacadeServer, controller: Controller, deployed: str, cluster: Cluster
) -> None:
    update = {"deis": server.settings.deis.model_copy(update={"run_timeout": 1, "runs": 1})}
    with running_facade(server.settings.model_copy(update=update)) as other:
        headers = {"Authorization": f"token {controller.owner.token}"}
        replies: list[httpx.Response] = []

        def call() -> None:
            with other.client(headers=headers) as caller:
                body = {"command": "sleep 20"}
                replies.append(caller.post(f"/v1/apps/{deployed}/run", json=body))

        threads = [threading.Thread(target=call) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        eventually(lambda: cluster.runs(deployed) == [])
    assert sorted(reply.status_code for reply in replies) == [429, 503]
    told = {detail(reply)[1] for reply in replies}
    assert "The command did not end in 1 seconds." in told


def test_a_client_that_goes_away_takes_its_container_along(
    controller: Controller, deployed: str, cluster: Cluster
) -> None:
    with pytest.raises(httpx.ReadTimeout):
        controller.owner.client.post(
            f"/v1/apps/{deployed}/run", json={"command": "sleep 60"}, timeout=2.0
        )
    eventually(lambda: cluster.runs(deployed) == [])
