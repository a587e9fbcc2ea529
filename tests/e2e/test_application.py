"""An application's life over Deis' REST API, with real pods; and the same by kubectl."""

import json
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from polyfleet.local.processes import spawn, stop
from tests.facade_fixtures import FacadeServer, StartFacade
from tests.node_fixtures import SampleImages

# Kubernetes' controllers look again after five minutes at what they missed.
PATIENCE = 420.0
POLL = 0.2
pytestmark = pytest.mark.timeout(1800)


def eventually(look: Callable[[], Any], what: str, *, seconds: float = PATIENCE) -> Any:
    """Return the first true value, or fail with what was seen last."""
    deadline = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < deadline, f"not in {seconds} s: {what}"
        time.sleep(POLL)
    return seen


class Person:
    """Somebody who registered and logged in, and calls as the command line does."""

    def __init__(self, server: FacadeServer, name: str) -> None:
        self.name = name
        self.client = httpx.Client(base_url=server.url, timeout=PATIENCE, trust_env=False)
        fields = {"username": name, "password": "opensesame", "email": f"{name}@example.com"}
        self.ask("POST", "/auth/register", 201, data=fields)
        login = {"username": name, "password": "opensesame"}
        token = self.ask("POST", "/auth/login/", 200, data=login).json()["token"]
        self.client.headers["Authorization"] = f"token {token}"

    def ask(self, method: str, path: str, status: int, **options: Any) -> httpx.Response:
        """Call below /v1 and check the status."""
        reply = self.client.request(method, f"/v1{path}", **options)
        assert reply.status_code == status, f"{method} {path}: {reply.status_code} {reply.text}"
        return reply

    def get(self, path: str) -> Any:
        return self.ask("GET", path, 200).json()

    def post(self, path: str, body: Mapping[str, Any], status: int = 201) -> httpx.Response:
        return self.ask("POST", path, status, json=body)

    def containers(self, app: str) -> list[tuple[str, str]]:
        """Return the state and release of each web container, as shown over REST."""
        rows = self.get(f"/apps/{app}/containers/web")["results"]
        return [(row["state"], row["release"]) for row in rows]


@pytest.fixture
def person(server: FacadeServer) -> Iterator[Callable[[str], Person]]:
    """Provide a maker of people who registered and logged in."""
    with ExitStack() as stack:

        def make(name: str) -> Person:
            made = Person(server, name)
            stack.callback(made.client.close)
            return made

        yield make


@pytest.fixture
def operator(
    service_account_kubeconfig: Callable[[str], Path], namespace: str, tmp_path: Path
) -> Iterator[None]:
    """Run an operator under the chart's Role."""
    process = spawn(
        [sys.executable, "-m", "polyfleet.operator"],
        log=tmp_path / "operator.log",
        environment={
            "PATH": "/usr/bin:/bin",
            "POLYFLEET_NAMESPACE": namespace,
            "KUBECONFIG": str(service_account_kubeconfig("polyfleet-operator")),
            "POLYFLEET_WORKLOAD_DEADLINE": "30",
        },
        ends_with_parent=True,
    )
    yield
    stop(process)


@pytest.fixture
def server(start_facade: StartFacade, operator: None) -> Iterator[FacadeServer]:
    """Run a facade in which anybody may register."""
    deis = {"registration": "enabled", "domain": "apps.example.com"}
    with start_facade(deis=deis) as running:
        running.user_token("first", administrator=True)
        yield running


def pods(kubectl: Callable[..., str], app: str) -> list[dict[str, Any]]:
    """Return the application's pods that run, or will, and are not on their way out.

    A pod that the kubelet refused or evicted stays as a record that it was there.
    """
    selector = f"polyfleet.dev/application={app}"
    found = json.loads(kubectl("get", "pods", "-l", selector, "-o", "json"))["items"]
    return [
        pod
        for pod in found
        if "deletionTimestamp" not in pod["metadata"]
        and pod["status"].get("phase") not in {"Failed", "Succeeded"}
    ]


def ready_images(kubectl: Callable[..., str], app: str) -> list[str]:
    """Return the images of the containers that are ready, in order."""
    return sorted(
        pod["spec"]["containers"][0]["image"]
        for pod in pods(kubectl, app)
        if any(row.get("ready") for row in pod["status"].get("containerStatuses", ()))
    )


def test_an_application_lives_over_rest(
    person: Callable[[str], Person], kubectl: Callable[..., str], sample_images: SampleImages
) -> None:
    unique = secrets.token_hex(3)
    ada, bob = person(f"ada-{unique}"), person(f"bob-{unique}")
    app = f"shop-{unique}"

    assert ada.post("/apps", {"id": app}).json()["id"] == app
    ada.post(f"/apps/{app}/config", {"values": {"GREETING": "hello"}})
    procfile = {"web": "exec /bin/web"}
    build = {"image": sample_images.first, "procfile": procfile}
    built = ada.post(f"/apps/{app}/builds", {**build, "sha": "a" * 40})
    assert built.headers["X-Deis-Release"] == "3"
    ada.post(f"/apps/{app}/scale", {"web": 3}, 204)

    eventually(
        lambda: ada.containers(app) == [("up", "v3")] * 3,
        "three containers up over REST",
    )
    assert ready_images(kubectl, app) == [sample_images.first] * 3
    logs = eventually(
        lambda: (text := ada.get(f"/apps/{app}/logs")) and "listens on port" in text and text,
        "the containers' lines in the log",
    )
    assert "build first listens on port 5000" in logs
    assert f"deployed {sample_images.first}" in logs or "deployed aaaaaaa" in logs

    run = ada.post(f"/apps/{app}/run", {"command": "echo $GREETING; exit 3"}, 200).json()
    assert run == {"rc": 3, "output": "hello\n"}

    second = {"image": sample_images.second, "procfile": procfile, "sha": "b" * 40}
    ada.post(f"/apps/{app}/builds", second)
    eventually(
        lambda: ready_images(kubectl, app) == [sample_images.second] * 3,
        "three pods of the second build",
    )

    third = {"image": sample_images.broken, "procfile": procfile, "sha": "c" * 40}
    ada.post(f"/apps/{app}/builds", third)
    failed = eventually(
        lambda: condition(kubectl, f"{app}-v5", "Failed"), "the third build's release has failed"
    )
    assert "CrashLoop" in failed["reason"], failed
    assert ready_images(kubectl, app) == [sample_images.second] * 3
    eventually(
        lambda: {release for state, release in ada.containers(app) if state == "up"} == {"v4"},
        "the containers of the second build are those that are up",
    )
    eventually(
        lambda: (
            sorted({pod["spec"]["containers"][0]["image"] for pod in pods(kubectl, app)})
            == [sample_images.second]
        ),
        "the third build's pods are gone, as all went back to the second",
    )

    assert ada.post(f"/apps/{app}/releases/rollback", {"version": 3}).json() == {"version": 6}
    eventually(
        lambda: ready_images(kubectl, app) == [sample_images.first] * 3,
        "three pods of the first build again",
    )
    summaries = [row["summary"] for row in ada.get(f"/apps/{app}/releases")["results"]]
    assert summaries[0] == f"{ada.name} rolled back to v3"
    assert len(summaries) == 6

    ada.post(f"/apps/{app}/domains", {"domain": f"{app}.example.org"})
    eventually(
        lambda: f"{app}.example.org" in kubectl("get", "ingress", "-o", "json"),
        "an Ingress for the domain",
    )

    bob.ask("GET", f"/apps/{app}", 404)
    ada.post(f"/apps/{app}/perms", {"username": bob.name})
    assert bob.get(f"/apps/{app}")["id"] == app
    bob.post(f"/apps/{app}/scale", {"web": 1}, 204)
    eventually(lambda: len(pods(kubectl, app)) == 1, "one pod, as the second person asked for")

    ada.ask("DELETE", f"/apps/{app}", 204)
    eventually(lambda: not pods(kubectl, app), "no pod is left")
    ada.ask("GET", f"/apps/{app}", 404)
    for kind in ("deployments", "services", "ingresses"):
        eventually(lambda kind=kind: app not in kubectl("get", kind), f"no {kind} are left")  # type: ignore[misc]


def condition(kubectl: Callable[..., str], release: str, type_: str) -> dict[str, Any] | None:
    """Return the condition of a Release if it is true."""
    item = json.loads(kubectl("get", "releases", "-o", "json"))
    for row in item["items"]:
        spec = row["spec"]
        if f"{spec['application']}-v{spec['version']}" != release:
            continue
        for found in row.get("status", {}).get("conditions", ()):
            if found["type"] == type_ and found["status"] == "True":
                return dict(found)
    return None


APPLIED = """
apiVersion: polyfleet.dev/v1alpha1
kind: Application
metadata: {{name: kiosk}}
spec:
  name: kiosk
  workload: {{processes: [{{type: web, replicas: 2}}]}}
---
apiVersion: v1
kind: Secret
metadata: {{name: app-kiosk-config}}
stringData: {{GREETING: hello}}
---
apiVersion: polyfleet.dev/v1alpha1
kind: Build
metadata: {{name: kiosk-first}}
spec: {{application: kiosk, image: "{first}", procfile: {{web: exec /bin/web}}}}
---
apiVersion: polyfleet.dev/v1alpha1
kind: Domain
metadata: {{name: kiosk.example.org}}
spec: {{application: kiosk, domain: kiosk.example.org}}
"""
NEXT_BUILD = """
apiVersion: polyfleet.dev/v1alpha1
kind: Build
metadata: {{name: kiosk-{name}}}
spec: {{application: kiosk, image: "{image}", procfile: {{web: exec /bin/web}}}}
"""


def test_an_application_lives_by_kubectl(
    operator: None, kubectl: Callable[..., str], sample_images: SampleImages
) -> None:
    kubectl("apply", "-f", "-", stdin=APPLIED.format(first=sample_images.first))

    eventually(
        lambda: ready_images(kubectl, "kiosk") == [sample_images.first] * 2,
        "two pods of the first build",
    )
    service = json.loads(kubectl("get", "service", "app-kiosk", "-o", "json"))["spec"]
    url = f"http://{service['clusterIP']}:{service['ports'][0]['port']}/environment"
    # The node's Services are routed from this machine: the very address that pods use.
    assert eventually(lambda: fetch(f"{url}/GREETING") == "hello\n", "the configured value")
    assert fetch(f"{url}/DEIS_APP") == "kiosk\n"
    eventually(
        lambda: "kiosk.example.org" in kubectl("get", "ingress", "-o", "json"),
        "an Ingress for the domain",
    )

    broken = NEXT_BUILD.format(name="broken", image=sample_images.broken)
    kubectl("apply", "-f", "-", stdin=broken)
    eventually(lambda: condition(kubectl, "kiosk-v2", "Failed"), "the second release has failed")
    assert ready_images(kubectl, "kiosk") == [sample_images.first] * 2
    good = NEXT_BUILD.format(name="second", image=sample_images.second)
    kubectl("apply", "-f", "-", stdin=good)
    eventually(
        lambda: ready_images(kubectl, "kiosk") == [sample_images.second] * 2,
        "two pods of the build that came last",
    )

    kubectl("delete", "application", "kiosk", "--wait=false")
    eventually(lambda: not pods(kubectl, "kiosk"), "no pod is left")


def fetch(url: str) -> str | None:
    """Return what a URL answers, None if it does not yet."""
    try:
        return httpx.get(url, timeout=10, trust_env=False).text
    except httpx.HTTPError:
        return None
