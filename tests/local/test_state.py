from pathlib import Path

from polyfleet.local.processes import ProcessRecord
from polyfleet.local.state import State, write_private


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    State(file, {"etcd": ProcessRecord(7, "then")}, {"port": "8080"}).save()

    loaded = State.load(file)

    assert loaded.processes == {"etcd": ProcessRecord(7, "then")}
    assert loaded.values == {"port": "8080"}


def test_a_missing_file_is_an_empty_state(tmp_path: Path) -> None:
    state = State.load(tmp_path / "absent")

    assert (state.processes, state.values) == ({}, {})


def test_a_private_file_replaces_a_public_one(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("old")
    file.chmod(0o644)

    write_private(file, "new")

    assert file.read_text() == "new"
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [file]
