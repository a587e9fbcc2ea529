"""A neighbour who changes each object just before the facade does, so that it gets real 409s."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.facade_fixtures import FacadeServer


@contextmanager
def overtaken(server: FacadeServer) -> Iterator[None]:
    """Let the API server refuse every patch of the facade, as another always came first.

    Pauses between attempts are left out: nothing is to become better with time.
    """
    client = server.facade.client
    patch, numbers = client.patch, itertools.count()

    async def late(kind: Any, name: str, *arguments: Any, **options: Any) -> Any:
        note = {"metadata": {"annotations": {"neighbour": str(next(numbers))}}}
        await patch(kind, name, note)
        return await patch(kind, name, *arguments, **options)

    with pytest.MonkeyPatch.context() as changed:
        changed.setattr(client, "patch", late)
        changed.setattr("polyfleet.kube.writer._delay", lambda _: 0)
        changed.setattr("polyfleet.api.dialects.deis.changes._PAUSE", 0)
        yield
