"""Starting and stopping inner applications."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from polyfleet.api.lifespan import lifespan_of


async def test_an_inner_application_starts_and_stops_around_the_block() -> None:
    events = []

    @asynccontextmanager
    async def lifespan(_application: Starlette) -> AsyncIterator[None]:
        events.append("start")
        yield
        events.append("stop")

    async with lifespan_of(Starlette(lifespan=lifespan)):
        assert events == ["start"]
    assert events == ["start", "stop"]


async def test_one_that_does_not_start_says_why() -> None:
    @asynccontextmanager
    async def lifespan(_application: Starlette) -> AsyncIterator[None]:
        raise ValueError("no such folder")
        yield

    with pytest.raises(RuntimeError, match="no such folder"):
        async with lifespan_of(Starlette(lifespan=lifespan)):
            pass


async def test_one_without_a_lifespan_is_not_taken_for_started() -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        raise NotImplementedError

    with pytest.raises(RuntimeError, match="NotImplementedError"):
        async with lifespan_of(application):
            pass
