"""The whole fleet on one machine: real control plane, operator, facade and command line."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import psutil
import pytest

from polyfleet.local.control_plane import ControlPlane
from polyfleet.local.down import down
from polyfleet.local.environment_file import read_environment
from polyfleet.local.processes import is_running, spawn, wait_until
from polyfleet.local.up import Plan, up

KUBECTL = Path(sys.executable).with_name("kubectl")
SAMPLE = """
apiVersion: v1
kind: ConfigMap
metadata:
  name: sample
data:
  color: as delivered
"""


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory, all_programs: Path) -> Iterator[Plan]:
    sample = tmp_path_factory.mktemp("sample")
    (sample / "sample.yaml").write_text(SAMPLE)
    directory = tmp_path_factory.mktemp("up") / "files"
    environment = {"KUBEBUILDER_ASSETS": str(all_programs)}
    monkeypatch = pytest.MonkeyPatch()
    # As in the shell of somebody who has loaded the environment file.
    monkeypatch.setenv("POLYFLEET_ADMIN_PASSWORD", "a secret")
    plan = Plan(directory=directory, sample=sample, environment=environment)
    try:
        up(plan)
        yield plan
    finally:
        monkeypatch.undo()
        processes = {**plan.state().processes, **cluster(plan).processes}
        down(plan)
    assert len(processes) == 5
    assert not any(is_running(record) for record in processes.values())
    assert not directory.exists()


def cluster(plan: Plan) -> ControlPlane:
    return ControlPlane(plan.directory / "cluster", plan.directory)


def sample(plan: Plan, *arguments: str) -> str:
    return kubectl(plan, *arguments, "configmap", "sample")


def whoami(environment: Mapping[str, str]) -> httpx.Response:
    headers = {"Authorization": f"Bearer {environment['POLYFLEET_ADMIN_TOKEN']}"}
    return httpx.get(f"{environment['POLYFLEET_URL']}/polyfleet/v1/whoami", headers=headers)


def kubectl(plan: Plan, *arguments: str) -> str:
    environment = read_environment(plan.environment_file)
    return subprocess.run(
        [KUBECTL, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_the_environment_file_leads_to_the_facade(plan: Plan) -> None:
    environment = read_environment(plan.environment_file)

    answer = httpx.get(
        f"{environment['POLYFLEET_URL']}/api/v2/devices",
        headers={"Authorization": f"Bearer {environment['POLYFLEET_ADMIN_TOKEN']}"},
    )

    assert answer.status_code == 200
    assert plan.environment_file.stat().st_mode & 0o777 == 0o600


def test_the_password_of_the_administrator_is_right(plan: Plan) -> None:
    environment = read_environment(plan.environment_file)
    user, password = (environment[f"POLYFLEET_ADMIN_{part}"] for part in ("USER", "PASSWORD"))
    url = f"{environment['POLYFLEET_URL']}/api/v2/devices"

    assert httpx.get(url, auth=(user, password)).status_code == 200
    assert httpx.get(url, auth=(user, f"{password}x")).status_code == 401


def test_a_packages_file_is_fetched_by_its_path_alone(plan: Plan) -> None:
    environment = read_environment(plan.environment_file)
    packages = f"{environment['POLYFLEET_URL']}/api/v1/packages"
    headers = {"Authorization": f"Bearer token={environment['POLYFLEET_ADMIN_TOKEN']}"}
    fields = {"rdfm.software.version": "v1", "rdfm.hardware.devtype": "dummy"}
    files = {"file": ("f.img", b"content")}

    package = httpx.post(packages, headers=headers, data=fields, files=files).json()
    name = package["metadata"]["rdfm.storage.local.uuid"]
    answer = httpx.get(f"{environment['POLYFLEET_URL']}/local_storage/{name}")

    assert (answer.status_code, answer.content) == (200, b"content")


def test_a_second_time_keeps_what_runs(plan: Plan) -> None:
    before = plan.state().processes, cluster(plan).processes
    known = read_environment(plan.environment_file)

    running = up(plan)

    assert running.kept == ["operator", "facade"]
    assert (plan.state().processes, cluster(plan).processes) == before
    assert read_environment(plan.environment_file) == known


def test_a_second_time_starts_what_died(plan: Plan) -> None:
    facade = plan.state().processes["facade"]
    known = read_environment(plan.environment_file)
    os.kill(facade.pid, signal.SIGKILL)
    assert wait_until(lambda: not is_running(facade), seconds=60)

    running = up(plan)

    assert running.kept == ["operator"]
    assert httpx.get(f"{running.url}/readyz").status_code == 200
    assert read_environment(plan.environment_file) == known


def test_a_second_time_does_not_undo_what_people_changed(plan: Plan) -> None:
    assert "as delivered" in sample(plan, "get", "--output", "yaml")
    sample(plan, "patch", "--patch", '{"data":{"color":"my own"}}')

    up(plan)

    assert "my own" in sample(plan, "get", "--output", "yaml")
    sample(plan, "patch", "--patch", '{"data":{"color":"as delivered"}}')


def test_an_administrator_of_whom_nothing_was_noted_gets_new_secrets(plan: Plan) -> None:
    before = read_environment(plan.environment_file)
    plan.environment_file.unlink()

    up(plan)

    after = read_environment(plan.environment_file)
    assert after.keys() == before.keys()
    assert after["POLYFLEET_ADMIN_TOKEN"] != before["POLYFLEET_ADMIN_TOKEN"]


def test_all_comes_back_with_its_data_after_all_died_again_and_again(plan: Plan) -> None:
    known = read_environment(plan.environment_file)
    for life in ("one", "two"):
        sample(plan, "patch", "--patch", f'{{"data":{{"life":"{life}"}}}}')
        processes = {**plan.state().processes, **cluster(plan).processes}
        for record in processes.values():
            os.kill(record.pid, signal.SIGKILL)
        assert wait_until(lambda: not any(map(is_running, processes.values())), seconds=60)  # noqa: B023

        running = up(plan)

        assert running.kept == []
        assert f"life: {life}" in sample(plan, "get", "--output", "yaml")
        assert read_environment(plan.environment_file) == known
        assert all(map(is_running, {**plan.state().processes, **cluster(plan).processes}.values()))


def test_a_token_of_an_administrator_who_was_deleted_is_replaced(plan: Plan) -> None:
    before = read_environment(plan.environment_file)
    kubectl(plan, "delete", "user", before["POLYFLEET_ADMIN_USER"])

    up(plan)

    after = read_environment(plan.environment_file)
    assert whoami(before).status_code == 401
    assert whoami(after).status_code == 200
    assert whoami(after).json()["administrator"] is True


def test_the_processes_know_nothing_of_the_callers_secrets(plan: Plan) -> None:
    for record in (*plan.state().processes.values(), *cluster(plan).processes.values()):
        told = psutil.Process(record.pid).environ()
        assert not [name for name in told if "ADMIN" in name]
        assert "PATH" in told


def test_nobody_else_reads_the_logs(plan: Plan) -> None:
    logs = [*plan.directory.rglob("*.log")]
    assert len(logs) >= 5
    assert {log.stat().st_mode & 0o777 for log in logs} == {0o600}


def test_down_without_up_does_nothing(tmp_path: Path) -> None:
    (tmp_path / "precious").touch()

    assert down(Plan(directory=tmp_path)) is False

    assert (tmp_path / "precious").exists()


def test_down_stops_what_an_interrupted_up_left(tmp_path: Path) -> None:
    plan = Plan(directory=tmp_path / "files")
    plan.directory.mkdir()
    state = plan.state()
    sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
    record = state.processes["operator"] = spawn(sleep, log=tmp_path / "log")
    state.save()

    assert down(plan) is True

    assert not is_running(record)
    assert not plan.directory.exists()
