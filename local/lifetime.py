"""What is started for the length of a block, and stopped after it."""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class Startable(ABC):
    """Runs inside `with`; what a failed start leaves is stopped, too."""

    @abstractmethod
    def start(self) -> object:
        """Start what does not run."""

    @abstractmethod
    def stop(self) -> None:
        """Stop all that runs, whether it was started fully or in part."""

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
