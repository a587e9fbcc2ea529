"""Three processes in one namespace: two facades and an operator."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.kube.transactions.side import Side, running_side


@pytest.fixture
async def facade(admin_kubeconfig: Path, namespace: str) -> AsyncIterator[Side]:
    async with running_side(admin_kubeconfig, namespace) as side:
        yield side


@pytest.fixture
async def other_facade(admin_kubeconfig: Path, namespace: str) -> AsyncIterator[Side]:
    async with running_side(admin_kubeconfig, namespace) as side:
        yield side


@pytest.fixture
async def operator(admin_kubeconfig: Path, namespace: str) -> AsyncIterator[Side]:
    async with running_side(admin_kubeconfig, namespace) as side:
        yield side
