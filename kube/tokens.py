"""Bearer tokens for the API server: fixed, re-read from a file, or made by a program."""

import asyncio
import os
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import anyio
import orjson

_REREAD_SECONDS = 60.0
_EXEC_SECONDS = 60.0
_EARLY_SECONDS = 60.0


class TokenSource(Protocol):
    """Something that knows the token of now."""

    async def token(self) -> str:
        """Return the token; raises OSError or ValueError if there is none."""
        ...

    def invalidate(self) -> None:
        """Forget what was remembered: the API server refused it."""
        ...


class StaticToken:
    """A token that never changes."""

    def __init__(self, token: str) -> None:
        self._token = token

    async def token(self) -> str:
        """Return the token."""
        return self._token

    def invalidate(self) -> None:
        """Do nothing: there is no other token."""


class FileToken:
    """A token in a file that somebody renews; read again every minute and after a refusal."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._token = ""
        self._until = 0.0

    async def token(self) -> str:
        """Return what the file holds, at most a minute old. Raises OSError."""
        if time.monotonic() >= self._until:
            self._token = (await anyio.Path(self._path).read_text()).strip()
            self._until = time.monotonic() + _REREAD_SECONDS
        return self._token

    def invalidate(self) -> None:
        """Have the file read again."""
        self._until = 0.0


class ExecToken:
    """A token printed by a credential plugin (`users[].user.exec` of a kubeconfig)."""

    def __init__(self, section: Mapping[str, Any], cluster: Mapping[str, Any], base: Path) -> None:
        self._section = section
        self._cluster = cluster
        self._base = base
        self._token = ""
        self._until = 0.0
        self._lock = asyncio.Lock()

    async def token(self) -> str:
        """Return the plugin's token, asked for again before it expires.

        Raises OSError if the plugin cannot be run and ValueError if it prints no token.
        """
        async with self._lock:
            if time.time() >= self._until:
                self._token, self._until = _read_credential(await self._run())
        return self._token

    def invalidate(self) -> None:
        """Have the plugin asked again."""
        self._until = 0.0

    async def _run(self) -> bytes:
        process = await asyncio.create_subprocess_exec(
            self._program(),
            *(self._section.get("args") or ()),
            env=self._environment(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(_EXEC_SECONDS):
                output, _ = await process.communicate()
        except TimeoutError:
            process.kill()
            await process.wait()
            raise
        if process.returncode:
            raise ValueError(f"the credential plugin ended with {process.returncode}")
        return output

    def _program(self) -> str:
        command = str(self._section["command"])
        # As kubectl does: a name is looked up on PATH, a relative path from the kubeconfig on.
        return str(self._base / command) if os.sep in command else command

    def _environment(self) -> dict[str, str]:
        extra = {entry["name"]: entry["value"] for entry in self._section.get("env") or ()}
        spec: dict[str, Any] = {"interactive": False}
        if self._section.get("provideClusterInfo"):
            spec["cluster"] = {
                "server": self._cluster["server"],
                "certificate-authority-data": self._cluster.get("certificate-authority-data"),
            }
        info = {
            "apiVersion": self._section["apiVersion"],
            "kind": "ExecCredential",
            "spec": spec,
        }
        return {**os.environ, **extra, "KUBERNETES_EXEC_INFO": orjson.dumps(info).decode()}


def _read_credential(output: bytes) -> tuple[str, float]:
    try:
        status = orjson.loads(output)["status"]
        token = str(status["token"])
        expiry = status.get("expirationTimestamp")
        until = datetime.fromisoformat(expiry).timestamp() - _EARLY_SECONDS if expiry else None
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        # The output may hold the credential: it never goes into the message.
        raise ValueError("the credential plugin printed no token") from error
    return token, until if until is not None else float("inf")
