"""The tour of the README, as a person would walk it."""

import os
import subprocess
import sys
from pathlib import Path

from polyfleet.local.kubeconfig import derive_kubeconfig
from tests.facade_fixtures import FacadeServer

ROOT = Path(__file__).resolve().parents[2]


def test_the_tour_goes_through_from_end_to_end(
    facade_server: FacadeServer,
    admin_token: str,
    admin_kubeconfig: Path,
    namespace: str,
    tmp_path: Path,
) -> None:
    kubeconfig = derive_kubeconfig(admin_kubeconfig, tmp_path / "kubeconfig", namespace=namespace)
    done = subprocess.run(
        ["bash", str(ROOT / "examples" / "tour.sh")],
        env={
            **os.environ,
            "POLYFLEET_URL": facade_server.url,
            "POLYFLEET_ADMIN_TOKEN": admin_token,
            "KUBECONFIG": str(kubeconfig),
            "PYTHON": sys.executable,
            "KUBECTL": str(Path(sys.executable).with_name("kubectl")),
            "TMPDIR": str(tmp_path),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "installed: v1.0.0 -> v2.0.0" in done.stdout
    assert "gets v2.0.0" in done.stdout
    assert "gets nothing: UpToDate" in done.stdout
    assert admin_token not in done.stdout + done.stderr
    assert not list(tmp_path.glob("tmp.*")), "the tour leaves files behind"
