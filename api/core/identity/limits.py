"""How much one caller may ask for, and how often one address may be wrong about who it is."""

from polyfleet.api.core.errors import RateLimited
from polyfleet.api.core.identity.clock import Monotonic, monotonic_clock
from polyfleet.api.core.identity.settings import LimitSettings
from polyfleet.api.core.rate_limits import TokenBuckets
from polyfleet.fleet.rights import Principal
from polyfleet.fleet.sources import source_of

REMEMBERED = 65_536


class Limits:
    """Budgets of this replica, by principal and by address; N replicas allow N times as much.

    An address that was wrong too often may go on with credentials that are known to hold: only
    what costs something to check (a password's hash, a question to an identity provider) is
    refused. So nobody locks out those who share an address with a guesser. Of an IPv6 address the
    network counts: whoever has one address of it has them all.
    """

    def __init__(self, settings: LimitSettings, *, monotonic: Monotonic = monotonic_clock) -> None:
        """Measure time by `monotonic`."""
        self._monotonic = monotonic
        self._calls = _buckets(settings.calls_burst, settings.calls_per_second)
        self._mistakes = _buckets(settings.mistakes_burst, settings.mistakes_per_second)

    def count(self, principal: Principal) -> None:
        """Count a call of a principal. Raises RateLimited if there were too many."""
        now = self._monotonic()
        key = principal.uid
        if not self._calls.take(key, now):
            raise RateLimited("too many requests", retry_after=self._calls.wait(key, now))

    def admit(self, address: str) -> None:
        """Raise RateLimited if an address was wrong too often to be worth a costly check."""
        pause = self._mistakes.wait(source_of(address), self._monotonic())
        if pause > 0:
            raise RateLimited("too many failed logins from this address", retry_after=pause)

    def mistake(self, address: str) -> None:
        """Count credentials that did not hold."""
        self._mistakes.take(source_of(address), self._monotonic())


def _buckets(burst: int, per_second: float) -> TokenBuckets:
    return TokenBuckets(burst=burst, interval=1.0 / per_second, maximum=REMEMBERED)
