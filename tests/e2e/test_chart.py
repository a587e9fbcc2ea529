"""The chart, installed on a cluster with a node: used, attacked, upgraded, removed."""

import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from polyfleet.local.install import ROOT
from polyfleet.local.kubeconfig import derive_kubeconfig
from polyfleet.local.node import Node
from polyfleet.local.processes import wait_until
from polyfleet.local.product_image import REFERENCE
from tests.e2e.installation import FACADES, OPERATORS, Installation
from tests.node_fixtures import IMAGE_TAG

PATIENCE = 240


@pytest.fixture
def installation(
    node: Node,
    *,
    admin_kubeconfig: Path,
    namespace: str,
    kubectl: Callable[..., str],
    helm_program: Path,
    product_image_file: Path,
    tmp_path: Path,
) -> Installation:
    """Provide the installed chart."""
    node.import_image(product_image_file)
    image, files = f"{REFERENCE}:{IMAGE_TAG}", tmp_path / "files"
    found = Installation(helm_program, admin_kubeconfig, namespace, kubectl, image, files)
    found.prepare()
    found.install()
    found.log_in()
    return found


@pytest.mark.timeout(1800)
def test_the_chart_from_its_installation_to_its_removal(
    installation: Installation, admin_kubeconfig: Path, tmp_path: Path
) -> None:
    assert len(installation.pods(FACADES)) == len(installation.pods(OPERATORS)) == 2
    take_the_tour(installation, admin_kubeconfig, tmp_path)
    pass_through_each_dialect(installation)
    nothing_is_lost_when_pods_die(installation)
    no_request_fails_during_an_upgrade(installation)
    data_outlive_the_removal(installation)


def take_the_tour(installation: Installation, admin_kubeconfig: Path, folder: Path) -> None:
    """Walk the README's tour through the Service, with two facades behind it."""
    kubeconfig = derive_kubeconfig(
        admin_kubeconfig, folder / "kubeconfig", namespace=installation.namespace
    )
    programs = Path(sys.executable).parent
    done = subprocess.run(
        [ROOT / "examples" / "tour.sh"],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
        env={
            **{name: text for name, text in os.environ.items() if "POLYFLEET" not in name},
            "POLYFLEET_URL": installation.url,
            "POLYFLEET_ADMIN_TOKEN": installation.token,
            "POLYFLEET_NAMESPACE": installation.namespace,
            "KUBECONFIG": str(kubeconfig),
            "PYTHON": sys.executable,
            "KUBECTL": str(programs / "kubectl"),
        },
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "installed: v1.0.0 -> v2.0.0" in done.stdout


def pass_through_each_dialect(installation: Installation) -> None:
    """Make something over each dialect and see it over another, whichever facade answers."""
    name = f"kettle-{secrets.token_hex(3)}"
    inventory, registry = "/api/management/v1/inventory", "/api/registry/v1alpha1"
    deis = {"headers": {"Authorization": f"token {installation.token}"}}
    with installation.client() as caller:
        # Drogue makes a device; Mender's inventory puts it into a group; RDFM shows both.
        made = caller.post(f"{registry}/apps/default/devices", json=drogue_device("default", name))
        assert made.status_code == 201, made.text
        device = f"{inventory}/devices/{name}"
        answered(caller, device, lambda reply: reply.json()["id"] == name)
        group = caller.put(f"{device}/group", json={"group": name})
        assert group.status_code == 204, group.text
        answered(caller, f"{inventory}/groups", lambda reply: name in reply.json())
        answered(caller, "/api/v2/devices", lambda reply: name in reply.text)
        # Deis makes an application; Drogue shows it, Kaa's software of it can be asked for.
        app = caller.post("/v1/apps", json={"id": name}, **deis)  # type: ignore[arg-type]
        assert app.status_code == 201, app.text
        answered(caller, f"{registry}/apps/{name}", lambda reply: name in reply.text)
        answered(caller, f"/v1/apps/{name}", lambda reply: reply.json()["owner"] == "admin", **deis)
        software = f"/api/v1/applications/{name}/software"
        answered(caller, software, lambda reply: isinstance(reply.json(), list))


def answered(
    caller: httpx.Client, path: str, holds: Callable[[httpx.Response], bool], **options: object
) -> None:
    """Wait until GET of a path answers 200 and something holds of it.

    Which of the facades is asked is chance, and one may see a change a moment later than another.
    """
    seen: list[httpx.Response] = []

    def look() -> bool:
        seen[:] = [caller.get(path, **options)]  # type: ignore[arg-type]
        return seen[0].status_code == 200 and holds(seen[0])

    assert wait_until(look, seconds=PATIENCE), f"{path}: {seen[0].status_code} {seen[0].text}"


def drogue_device(application: str, name: str) -> dict[str, object]:
    """Return a device as Drogue's registry takes it."""
    return {"metadata": {"application": application, "name": name}, "spec": {}}


@dataclass
class Load:
    """Writers and readers that go on until they are stopped."""

    installation: Installation
    stopped: threading.Event = field(default_factory=threading.Event)
    acknowledged: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    reads: int = 0

    def write(self) -> None:
        """Create devices one after another; remember those that were said to be made."""
        path = "/api/registry/v1alpha1/apps/default/devices"
        with self.installation.client() as caller:
            while not self.stopped.is_set():
                name = f"d-{secrets.token_hex(5)}"
                try:
                    reply = caller.post(path, json=drogue_device("default", name))
                except httpx.HTTPError as error:
                    # Not acknowledged, so it may be there or not.
                    self.failures.append(f"write: {error!r}")
                    continue
                if reply.status_code == 201:
                    self.acknowledged.append(name)
                else:
                    self.failures.append(f"write: {reply.status_code} {reply.text}")
                time.sleep(0.02)

    def read(self) -> None:
        """Read, each time over a new connection, as most clients of an API do."""
        while not self.stopped.is_set():
            try:
                with self.installation.client() as caller:
                    reply = caller.get("/polyfleet/v1/whoami")
            except httpx.HTTPError as error:
                self.failures.append(f"read: {error!r}")
                continue
            if reply.status_code != 200:
                self.failures.append(f"read: {reply.status_code} {reply.text}")
            self.reads += 1
            time.sleep(0.02)


@contextmanager
def under_load(installation: Installation) -> Iterator[Load]:
    """Have two writers and two readers at work for the length of the block."""
    load = Load(installation)
    threads = [threading.Thread(target=work) for work in (load.write, load.read) * 2]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        load.stopped.set()
        for thread in threads:
            thread.join()


def nothing_is_lost_when_pods_die(installation: Installation) -> None:
    """Take away the active operator and a facade; all that was acknowledged is there, adopted."""
    active = lease_holder(installation)
    facade = installation.pods(FACADES)[0]
    with under_load(installation) as load:
        assert wait_until(lambda: len(load.acknowledged) > 20, seconds=PATIENCE)
        # A second to end in, which is less than either takes.
        installation.kubectl("delete", "pod", active, facade, "--wait=false", "--grace-period=1")
        so_far = len(load.acknowledged)
        assert wait_until(lambda: lease_holder(installation) != active, seconds=PATIENCE)
        assert wait_until(lambda: len(load.acknowledged) > so_far + 20, seconds=PATIENCE)
    assert wait_until(lambda: not unadopted(installation, load.acknowledged), seconds=PATIENCE), (
        unadopted(installation, load.acknowledged)
    )
    for deployment in ("polyfleet-facade", "polyfleet-operator"):
        assert wait_until(lambda name=deployment: all_ready(installation, name), seconds=PATIENCE)  # type: ignore[misc]


def all_ready(installation: Installation, deployment: str) -> bool:
    """Tell whether a Deployment has both its pods, ready."""
    return bool(installation.object("deployment", deployment)["status"].get("readyReplicas") == 2)


def lease_holder(installation: Installation) -> str:
    """Return the name of the pod that is the active operator."""
    names = installation.kubectl("get", "lease", "-o", "jsonpath={.items[*].spec.holderIdentity}")
    return names.partition("_")[0]


def unadopted(installation: Installation, names: list[str]) -> set[str]:
    """Return the devices that are not there, or that the operator has given no serial."""
    template = "jsonpath={range .items[*]}{.spec.deviceId}{'\\n'}{end}"
    adopted = installation.kubectl(
        "get", "devices", "-l", "polyfleet.dev/serial", "-o", template
    ).split()
    return set(names) - set(adopted)


def no_request_fails_during_an_upgrade(installation: Installation) -> None:
    """Change values that renew every pod, with readers and writers at work."""
    before = {*installation.pods(FACADES), *installation.pods(OPERATORS)}
    with under_load(installation) as load:
        installation.upgrade(settings={"logLevel": "warning"})
    assert not before & {*installation.pods(FACADES), *installation.pods(OPERATORS)}
    assert load.reads > 20
    assert load.failures == []
    assert wait_until(lambda: not unadopted(installation, load.acknowledged), seconds=PATIENCE)


def data_outlive_the_removal(installation: Installation) -> None:
    """Uninstall the chart: processes go; definitions, the fleet and packages' files stay."""
    devices = installation.kubectl("get", "devices", "-o", "name").split()
    files = sorted(path.name for path in installation.folder.rglob("*") if path.is_file())
    installation.uninstall()

    assert installation.kubectl("get", "deployments", "-o", "name") == ""
    assert wait_until(
        lambda: not installation.pods(FACADES) + installation.pods(OPERATORS), seconds=PATIENCE
    )
    assert installation.kubectl("get", "devices", "-o", "name").split() == devices
    assert files
    assert sorted(path.name for path in installation.folder.rglob("*") if path.is_file()) == files
    # As it was, for who installs it again: the administrator keeps password and token.
    installation.install()
    with installation.client() as caller:
        assert caller.get("/polyfleet/v1/whoami").status_code == 200
