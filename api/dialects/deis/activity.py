"""What is done to an application, told as Events on it: its log shows them, and so does kubectl."""

from types import TracebackType
from typing import Self

from polyfleet.fleet.objects.application import Application
from polyfleet.kube.client import Client
from polyfleet.kube.events import EventRecorder

CONTROLLER = "polyfleet.dev/deis"
"""Who the Events are from."""


class Activity:
    """Tells what people do. An async context manager that writes in the background."""

    def __init__(self, client: Client) -> None:
        # Who does the same thing twice in a minute is told of twice.
        self._recorder = EventRecorder(client, controller=CONTROLLER, same_seconds=0.0)

    async def __aenter__(self) -> Self:
        await self._recorder.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._recorder.__aexit__(kind, error, trace)

    def tell(self, application: Application, reason: str, text: str) -> None:
        """Tell of an application what was done: `reason` in CamelCase, `text` in words."""
        self._recorder.event(application, "Normal", reason, text)
