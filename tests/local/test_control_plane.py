import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from polyfleet.local.control_plane import ControlPlane
from polyfleet.local.errors import StartError
from polyfleet.local.ports import next_free_port
from polyfleet.local.processes import is_running, wait_until

KUBECTL = Path(sys.executable).with_name("kubectl")


@pytest.fixture
def plane(tmp_path: Path, programs: Path) -> Iterator[ControlPlane]:
    plane = ControlPlane(tmp_path / "plane", programs, fsync=False, ends_with_parent=True)
    try:
        yield plane
    finally:
        # The state file knows what others have started there since.
        ControlPlane(plane.directory, programs).stop()


def kubectl(plane: ControlPlane, *arguments: str) -> str:
    command = [KUBECTL, "--kubeconfig", plane.kubeconfig, "--cache-dir", plane.directory / "cache"]
    return subprocess.run(
        [*command, *arguments], capture_output=True, text=True, check=True, timeout=60
    ).stdout


def script(folder: Path, name: str, text: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


def test_two_started_at_once_do_not_meet(tmp_path: Path, programs: Path) -> None:
    planes = [ControlPlane(tmp_path / name, programs, fsync=False) for name in ("one", "two")]
    try:
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(ControlPlane.start, planes))
        kubectl(planes[0], "create", "configmap", "only-here")

        assert "only-here" in kubectl(planes[0], "get", "configmaps")
        assert "only-here" not in kubectl(planes[1], "get", "configmaps")
    finally:
        records = [record for plane in planes for record in plane.processes.values()]
        for plane in planes:
            plane.stop()

    assert len(records) == 4
    assert not any(is_running(record) for record in records)
    assert list(tmp_path.iterdir()) == []


def test_what_died_is_started_again_with_its_data(plane: ControlPlane, programs: Path) -> None:
    plane.start()
    kubectl(plane, "create", "configmap", "kept")
    etcd = plane.processes["etcd"]
    server = plane.processes["kube-apiserver"]
    os.kill(server.pid, signal.SIGKILL)
    assert wait_until(lambda: not is_running(server), seconds=60)

    # A new object knows only what the state file tells, as a second command would.
    again = ControlPlane(plane.directory, programs, fsync=False, ends_with_parent=True)
    again.start()

    assert "kept" in kubectl(again, "get", "configmaps")
    assert again.processes["etcd"] == etcd
    assert again.url == plane.url
    again.stop()
    assert not is_running(etcd)


def test_nobody_else_reads_the_administrators_kubeconfig(plane: ControlPlane) -> None:
    plane.start()

    assert plane.kubeconfig.stat().st_mode & 0o777 == 0o600
    assert plane.directory.stat().st_mode & 0o777 == 0o700
    assert "polyfleet-admin" in kubectl(plane, "auth", "whoami")


def test_a_component_that_ends_is_reported_with_its_log(tmp_path: Path, programs: Path) -> None:
    broken = tmp_path / "programs"
    script(broken, "kube-apiserver", "echo the flag --wrong is not known; exit 1")
    (broken / "etcd").symlink_to(programs / "etcd")
    plane = ControlPlane(tmp_path / "plane", broken, fsync=False)

    with pytest.raises(StartError, match=r"kube-apiserver ended.*\n.*--wrong is not known"), plane:
        pass

    assert not (tmp_path / "plane").exists()


def test_a_component_that_is_never_ready_is_reported_with_its_log(
    tmp_path: Path, programs: Path
) -> None:
    broken = tmp_path / "programs"
    script(broken, "kube-apiserver", "echo waiting for nothing; exec sleep 600")
    (broken / "etcd").symlink_to(programs / "etcd")
    plane = ControlPlane(tmp_path / "plane", broken, fsync=False, ready_seconds=2)

    with pytest.raises(StartError, match=r"not ready after 2 s.*\n.*waiting for nothing"), plane:
        pass


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    (tmp_path / "programs").mkdir()
    plane = ControlPlane(tmp_path / "plane", tmp_path / "programs")

    with pytest.raises(StartError, match="there is no etcd"):
        plane.start()


def test_a_folder_that_it_did_not_make_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious").touch()

    ControlPlane(tmp_path, tmp_path).stop()

    assert (tmp_path / "precious").exists()


def test_a_taken_port_is_passed_over(plane: ControlPlane) -> None:
    plane.start()
    taken = int(plane.url.rpartition(":")[2])

    assert next_free_port(taken) > taken
