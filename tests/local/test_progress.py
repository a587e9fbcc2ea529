import io

import pytest
from rich.console import Console

from polyfleet.local.progress import StepProgress


def lines_of(*, terminal: bool) -> str:
    output = io.StringIO()
    console = Console(file=output, force_terminal=terminal, width=80)
    with StepProgress("Building [etcd]", total=3, console=console) as progress:
        progress.advance(1)
    return output.getvalue()


def test_a_log_shows_the_beginning_and_the_end_of_a_step() -> None:
    assert lines_of(terminal=False).splitlines() == [
        "Building [etcd]: started (0 s)",
        "Building [etcd]: done (0 s)",
    ]


def test_a_terminal_is_left_with_one_line_for_a_step() -> None:
    assert "Building [etcd]: done (0 s)" in lines_of(terminal=True)


def test_a_log_shows_how_far_a_long_step_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("polyfleet.local.progress._LINE_SECONDS", 0)

    assert "Building [etcd]: 1 of 3 (0 s)" in lines_of(terminal=False)


def test_a_failed_step_is_said_to_have_failed() -> None:
    output = io.StringIO()

    def fail() -> None:
        with StepProgress("Building", console=Console(file=output)):
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()

    assert "Building: failed (0 s)" in output.getvalue()
