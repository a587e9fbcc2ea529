"""Devices that prove who they are by a password: `<device>@<application>`, or a user name."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

import anyio
import anyio.to_thread

from polyfleet.api.core.call import current
from polyfleet.api.core.errors import RateLimited
from polyfleet.api.core.identity import sha512_crypt
from polyfleet.api.core.identity.clock import Monotonic, monotonic_clock
from polyfleet.api.core.identity.credentials import Basic
from polyfleet.api.core.identity.limits import Limits
from polyfleet.api.core.identity.memo import Memo
from polyfleet.api.core.identity.throttle import Throttle
from polyfleet.api.dialects.drogue.credentials import AT_ONCE
from polyfleet.api.dialects.drogue.documents import data_of
from polyfleet.fleet.device_credentials import credentials
from polyfleet.fleet.objects.device import Device

QUEUE = 1_024
REMEMBERED = 65_536
REMEMBERED_SECONDS = 3600.0

# What is compared where there is no password, so that it takes as long as with one.
_NOBODY = sha512_crypt.hashed("nobody has this password")


class Place(NamedTuple):
    """What a path names: an application, and a device in it; neither need exist."""

    application: str
    device: str

    def is_own_name(self, name: str) -> bool:
        """Say whether a name is that of the device itself: `<device>@<application>`."""
        local, at, host = name.rpartition("@")
        return bool(at) and host == self.application and unquote(local) == self.device


class DevicePasswords:
    """Compares passwords of devices: in threads, few at once.

    Who is refused cannot tell a device from none, or from one without a password: all cost a
    comparison and count as attempts alike. A pair that was right is remembered as long as it is
    used each hour, with the very hash that it fits: guesses, at whatever rate and from whatever
    address, do not hinder a device that is at work, and a new password counts at once.
    """

    def __init__(self, limits: Limits, *, monotonic: Monotonic = monotonic_clock) -> None:
        self._limits = limits
        self._memo: Memo[bool] = Memo(
            lifetime=REMEMBERED_SECONDS, capacity=REMEMBERED, monotonic=monotonic
        )
        self._throttle = Throttle(monotonic=monotonic)
        self._threads = anyio.CapacityLimiter(AT_ONCE)

    async def hold(self, basic: Basic, place: Place, device: Device | None) -> bool:
        """Say whether a name and a password are those of the device; None: there is none.

        Raises RateLimited after too many failures, of the name there or of the caller's address.
        """
        stored = [] if device is None else _hashes(basic.user, place, device)
        keys = [self._memo.key(text, basic.secret) for text in stored]
        for key in keys:
            if self._memo.get(key):
                self._memo.put(key, True)
                return True
        self._limits.admit(current().address)
        if self._threads.statistics().tasks_waiting >= QUEUE:
            raise RateLimited("too many logins at once", retry_after=1.0)
        self._throttle.attempt(_attempted(basic, place))
        for text in stored or [_NOBODY]:
            if await self._matches(basic.secret, text) and stored:
                self._throttle.succeeded(_attempted(basic, place))
                self._memo.put(self._memo.key(text, basic.secret), True)
                return True
        return False

    def is_persons(self, basic: Basic, place: Place) -> None:
        """Forget the attempts of who turned out to be a person, and no device."""
        self._throttle.succeeded(_attempted(basic, place))

    async def _matches(self, given: str, stored: str) -> bool:
        return await anyio.to_thread.run_sync(
            sha512_crypt.verify, given, stored, limiter=self._threads
        )


def concerns(basic: Basic, place: Place, device: Device | None) -> bool:
    """Say whether a name can only be meant as the device's, or is one of its user names."""
    if place.is_own_name(basic.user):
        return True
    return device is not None and bool(_hashes(basic.user, place, device))


def _attempted(basic: Basic, place: Place) -> str:
    # The device's own name can be written in many ways.
    name = "" if place.is_own_name(basic.user) else basic.user
    return "\n".join((quote(place.application), quote(place.device), quote(name)))


def _hashes(name: str, place: Place, device: Device) -> list[str]:
    """Return the hashes that can be compared of the device's passwords for a name."""
    own = place.is_own_name(name)
    return [
        text
        for user, (kind, text) in _passwords(device)
        if (own if user is None else user == name)
        and kind == "sha512"
        and sha512_crypt.is_hash(text)
    ]


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
