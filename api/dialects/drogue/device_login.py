"""Devices that prove who they are by a password: `<device>@<application>`, or a user name."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

import anyio
import anyio.to_thread

from polyfleet.api.core.errors import Unauthenticated
from polyfleet.api.core.identity import sha512_crypt
from polyfleet.api.core.identity.clock import Monotonic, monotonic_clock
from polyfleet.api.core.identity.credentials import Basic
from polyfleet.api.core.identity.memo import Memo
from polyfleet.api.core.identity.throttle import Throttle
from polyfleet.api.dialects.drogue.credentials import AT_ONCE
from polyfleet.api.dialects.drogue.documents import data_of
from polyfleet.fleet.device_credentials import credentials
from polyfleet.fleet.objects.application import Application
from polyfleet.fleet.objects.device import Device

REMEMBERED = 16_384
_REFUSAL = "the credentials do not hold"


class DevicePasswords:
    """Compares passwords of devices: in threads, few at once, remembered for a while."""

    def __init__(self, *, memory: float, monotonic: Monotonic = monotonic_clock) -> None:
        self._memo: Memo[bool] = Memo(lifetime=memory, capacity=REMEMBERED, monotonic=monotonic)
        self._throttle = Throttle(monotonic=monotonic)
        self._threads = anyio.CapacityLimiter(AT_ONCE)

    def concerns(self, basic: Basic, device: Device, application: Application) -> bool:
        """Say whether a name is the device's own or one of its user names."""
        return _is_own_name(basic.user, device, application) or any(
            user == basic.user for user, _ in _passwords(device)
        )

    async def check(self, basic: Basic, device: Device, application: Application) -> None:
        """Raise Unauthenticated unless the password is one of the device's for that name.

        Raises RateLimited after too many failures.
        """
        own = _is_own_name(basic.user, device, application)
        stored = [
            password
            for user, password in _passwords(device)
            if (user is None and own) or (user is not None and user == basic.user)
        ]
        keys = [self._memo.key(*text, basic.secret) for text in stored]
        if any(self._memo.get(key) for key in keys):
            return
        self._throttle.attempt(device.metadata.uid)
        for key, password in zip(keys, stored, strict=True):
            if await anyio.to_thread.run_sync(
                _matches, basic.secret, password, limiter=self._threads
            ):
                self._throttle.succeeded(device.metadata.uid)
                self._memo.put(key, True)
                return
        raise Unauthenticated(_REFUSAL)


def _is_own_name(name: str, device: Device, application: Application) -> bool:
    local, at, host = name.rpartition("@")
    return bool(at) and host == application.spec.name and unquote(local) == device.spec.device_id


def _passwords(device: Device) -> Iterator[tuple[str | None, tuple[str, str]]]:
    """Yield user name, or None, and (kind, text) of each stored password."""
    spec = data_of(device).spec
    section = "authentication" if "authentication" in spec else "credentials"
    for entry in credentials(spec, section):
        user = entry.get("user")
        if isinstance(user, Mapping):
            name, password = user.get("username"), user.get("password")
            if isinstance(name, str) and name:
                yield from ((name, item) for item in _kinds(password))
        else:
            yield from ((None, item) for item in _kinds(entry.get("pass")))


def _kinds(password: Any) -> Iterator[tuple[str, str]]:
    """Yield the hashes: a password in clear text, as kubectl may write it, opens nothing."""
    if isinstance(password, Mapping):
        yield from ((kind, text) for kind, text in password.items() if isinstance(text, str))


def _matches(given: str, stored: tuple[str, str]) -> bool:
    kind, text = stored
    return kind == "sha512" and sha512_crypt.verify(given, text)
