"""Commands that speak to the API server itself, with the caller's kubeconfig."""

import os
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import anyio
import anyio.to_thread
import typer

from polyfleet.cli.terminal import complain
from polyfleet.kube.client import Client
from polyfleet.kube.configuration import ConfigurationError, load_connection
from polyfleet.kube.errors import ApiError, Unavailable

FIELD_MANAGER = "polyfleet-cli"

Result = TypeVar("Result")
Namespace = Annotated[
    str | None,
    typer.Option(
        "--namespace",
        "-n",
        help="Namespace of the installation (default: POLYFLEET_NAMESPACE, else the kubeconfig's).",
    ),
]


@asynccontextmanager
async def open_client(namespace: str | None) -> AsyncIterator[Client]:
    """Open the API server that kubectl would: KUBECONFIG's, that of ~/.kube, or the pod's own."""
    connection = await anyio.to_thread.run_sync(load_connection, _kubeconfig_at_home())
    chosen = namespace or os.environ.get("POLYFLEET_NAMESPACE") or connection.namespace
    async with Client(connection, namespace=chosen, field_manager=FIELD_MANAGER) as client:
        yield client


def run(work: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
    """Run the command to its end; faults that a person can mend end it with one line."""
    try:
        return anyio.run(work)
    except ConfigurationError as error:
        fail(f"the kubeconfig cannot be used: {error}")
    except Unavailable as error:
        fail(f"the API server does not answer: {error.message}")
    except ApiError as error:
        fail(f"the API server refused: {error.message}")


def fail(message: str) -> NoReturn:
    """Print the message and end the command with status 1."""
    complain(message)
    raise typer.Exit(1)


def _kubeconfig_at_home() -> Path | None:
    file = Path("~/.kube/config").expanduser()
    return file if not os.environ.get("KUBECONFIG") and file.is_file() else None
