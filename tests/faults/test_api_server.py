"""The API server is killed, frozen, and loses etcd: facades say so, and nothing is lost."""

import os
import signal
from collections.abc import Iterator
from typing import Any, Self

import httpx
import pytest

from polyfleet.local.control_plane import API_SERVER, ETCD, ControlPlane
from polyfleet.local.processes import is_running, wait_until
from tests.faults.site import PATIENCE, Replica, Site, site_at, wait_for

APPS = "/api/registry/v1alpha1/apps"
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def site(plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Provide a facade and an operator."""
    folder = tmp_path_factory.mktemp("cut")
    with site_at(plane.kubeconfig, folder, facades=1, operators=1) as found:
        found.wait_ready()
        yield found


def signal_to(plane: ControlPlane, name: str, number: signal.Signals) -> None:
    os.kill(plane.processes[name].pid, number)
    if number == signal.SIGKILL:
        gone = plane.processes[name]
        assert wait_until(lambda: not is_running(gone), seconds=PATIENCE)


class Writer:
    """Somebody who counts up a label of an application, and knows what was acknowledged."""

    def __init__(self, facade: Replica, token: str, name: str) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        self._client = httpx.Client(
            base_url=facade.url, headers=headers, timeout=2 * PATIENCE, trust_env=False
        )
        self._name = name
        self._number = 0
        self.acknowledged = 0

    def __enter__(self) -> Self:
        assert self._client.post(APPS, json={"metadata": {"name": self._name}}).is_success
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def write(self) -> int:
        """Count up; return the status."""
        self._number += 1
        labels = {"round": str(self._number)}
        body = {"metadata": {"name": self._name, "labels": labels}}
        status = self._client.put(f"{APPS}/{self._name}", json=body).status_code
        if status == 204:
            self.acknowledged = self._number
        return status

    def read(self) -> httpx.Response:
        return self._client.get(f"{APPS}/{self._name}")


@pytest.mark.parametrize("fault", ["killed", "frozen", "without etcd"])
def test_a_cut_is_told_and_everything_goes_on_after_it(
    plane: ControlPlane, site: Site, fault: str
) -> None:
    facade, operator = site.facades[0], site.operators[0]
    with Writer(facade, site.token, f"cut-{fault.replace(' ', '-')}") as writer:
        assert writer.write() == 204
        cut(plane, fault)
        try:
            # What is known is told; what cannot be done is refused, whole.
            assert writer.write() == 503
            assert writer.read().status_code == 200
        finally:
            mend(plane, fault)
        facade.wait_ready()
        assert facade.starts == 1, "a facade outlives it"
        wait_for(lambda: writer.write() == 204, facade.tail)
        assert shown(writer) == str(writer.acknowledged)
        adopted = f"after-{fault.replace(' ', '-')}"
        site.fleet.create("Device", adopted)

        def works() -> bool:
            operator.keep_running()
            return "polyfleet.dev/serial" in labels_of(site, adopted)

        wait_for(works, operator.tail)


def cut(plane: ControlPlane, fault: str) -> None:
    if fault == "frozen":
        signal_to(plane, API_SERVER, signal.SIGSTOP)
    else:
        signal_to(plane, API_SERVER if fault == "killed" else ETCD, signal.SIGKILL)


def mend(plane: ControlPlane, fault: str) -> None:
    if fault == "frozen":
        signal_to(plane, API_SERVER, signal.SIGCONT)
    plane.start()


def shown(writer: Writer) -> str:
    document: dict[str, Any] = writer.read().json()
    return str(document["metadata"]["labels"]["round"])


def labels_of(site: Site, device: str) -> dict[str, str]:
    found = site.fleet.get("Device", device)
    labels: dict[str, str] = found["metadata"].get("labels", {}) if found else {}
    return labels
