"""A folder store, and the clock that its links are checked against."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from polyfleet.api.core.artifacts.links import LinkSigner
from polyfleet.api.core.artifacts.local import LocalStore

MAXIMUM_SIZE = 80 * 1024 * 1024


@pytest.fixture
def clock() -> SimpleNamespace:
    """Return a clock that a test can set: its `now`."""
    return SimpleNamespace(now=datetime(2026, 3, 1, 12, 0, tzinfo=UTC))


@pytest.fixture
def signer(clock: SimpleNamespace) -> LinkSigner:
    return LinkSigner(lambda: [b"k" * 32], lifetime=timedelta(hours=24), clock=lambda: clock.now)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "artifacts"


@pytest.fixture
async def store(root: Path, signer: LinkSigner) -> AsyncIterator[LocalStore]:
    store = LocalStore(root, signer=signer, maximum_size=MAXIMUM_SIZE)
    yield store
    await store.close()
