import subprocess
from pathlib import Path

import pytest

from polyfleet.local.environment_file import read_environment, write_environment

VARIABLES = {"POLYFLEET_URL": "http://127.0.0.1:8080", "POLYFLEET_ADMIN_PASSWORD": "it's $HOME `x`"}


def test_a_shell_reads_every_value_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "env"
    write_environment(file, VARIABLES)

    done = subprocess.run(
        ["sh", "-c", f". {file} && env"], capture_output=True, text=True, check=True
    )

    for name, value in VARIABLES.items():
        assert f"{name}={value}" in done.stdout.splitlines()


def test_it_is_read_back_as_written(tmp_path: Path) -> None:
    write_environment(tmp_path / "env", VARIABLES)

    assert read_environment(tmp_path / "env") == VARIABLES


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    write_environment(tmp_path / "env", VARIABLES)

    assert (tmp_path / "env").stat().st_mode & 0o777 == 0o600


def test_a_missing_file_tells_nothing(tmp_path: Path) -> None:
    assert read_environment(tmp_path / "absent") == {}


def test_a_name_that_a_shell_would_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no name"):
        write_environment(tmp_path / "env", {"A;reboot": "x"})
