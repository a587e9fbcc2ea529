"""Progress of long work: a bar on a terminal, a plain line now and then in a log."""

import sys
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

_LINE_SECONDS = 10


class StepProgress:
    """Shows one step with the time it takes; `total` parts of it where that is known."""

    def __init__(
        self, title: str, *, total: int | None = None, console: Console | None = None
    ) -> None:
        self._title = title
        self._total = total
        self._console = console or Console(file=sys.stderr)
        self._started = self._said = time.monotonic()
        self._bar = _bar(self._console) if self._console.is_terminal else None

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
            self._task = self._bar.add_task(self._title, total=self._total)
        else:
            self._say("started")
        return self

    def advance(self, done: int) -> None:
        """Tell how many parts are done; also called just to show that time passes."""
        if self._bar:
            self._bar.update(self._task, completed=done)
        elif time.monotonic() - self._said >= _LINE_SECONDS:
            self._say(f"{done} of {self._total}" if self._total else "still at it")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar:
            self._bar.stop()
        self._say("failed" if error else "done")

    def _say(self, what: str) -> None:
        self._said = time.monotonic()
        seconds = f"{self._said - self._started:.0f} s"
        self._console.print(f"{self._title}: {what} ({seconds})", markup=False, highlight=False)


def _bar(console: Console) -> Progress:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=console, transient=True)
