"""What the folders of the dialects share; each has one session-wide `server` of its own."""

import secrets
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.conftest import kubectl_in
from tests.facade_fixtures import FacadeServer


@pytest.fixture
def shared_kubectl(
    server: FacadeServer, admin_kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., str]:
    """Provide kubectl as the administrator in the namespace of the folder's facade."""
    cache = tmp_path_factory.getbasetemp() / "kubectl-cache"
    return kubectl_in(server.settings.namespace, admin_kubeconfig, cache)


def scoped_client(
    server: FacadeServer, name: str, scopes: list[str], *, prefix: str = "Bearer "
) -> httpx.Client:
    """Return a client for a new user with those scopes; `prefix` goes before its token."""
    token = server.user_token(f"{name}-{secrets.token_hex(4)}", scopes=scopes)
    return server.client(headers={"Authorization": f"{prefix}{token}"})
