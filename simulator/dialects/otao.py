"""A device of Kaa: it asks what to run by its endpoint token, and says what it installed."""

import hashlib
from urllib.parse import quote

from polyfleet.simulator.dialects.speaker import JSON, Offer, Speaker, encoded
from polyfleet.simulator.machine import Machine, Told
from polyfleet.simulator.wire import Wire

CONFIG = "/kp1/{app}/cmx_ota/{token}/config/json"
APPLIED = "/kp1/{app}/cmx_ota/{token}/applied/json"

_OK, _FAILED = 200, 500


def endpoint_token(identifier: str) -> str:
    """Return the token that a simulated device is born with: one that protects nothing."""
    return hashlib.sha256(f"simulated endpoint {identifier}".encode()).hexdigest()


class OtaoSpeaker(Speaker):
    """Tells what it runs with every question."""

    def __init__(self, machine: Machine, wire: Wire, interval: float, application: str) -> None:
        super().__init__(machine, wire, interval)
        token = endpoint_token(machine.identifier)
        self._place = {"app": quote(f"{application}-v1", safe=""), "token": token}

    async def enter(self, told: Told) -> bool:
        """Ask nothing but whether the server knows it."""
        del told
        if self.machine.entered:
            return True
        answer = await self._send("GET", CONFIG.format(**self._place), route=CONFIG, headers=JSON)
        return answer.status == _OK

    async def ask(self, told: Told) -> Offer | None:
        """Ask what to run."""
        answer = await self._send(
            "POST",
            CONFIG.format(**self._place),
            route=CONFIG,
            headers=JSON,
            body=encoded({"configId": told.version}),
        )
        found = answer.json()
        if answer.status != _OK or not isinstance(found, dict):
            return None
        self.machine.acknowledged = told.version
        version, config = found.get("configId"), found.get("config")
        if not version or version == told.version:
            return None
        file = config if isinstance(config, dict) else {}
        return Offer(str(version), str(version), file.get("link"), file.get("sha256"))

    async def report(self, offer: Offer, *, installed: bool) -> None:
        """Say what became of it."""
        report: dict[str, str | int] = {"configId": offer.name}
        report["statusCode"] = _OK if installed else _FAILED
        if not installed:
            report["reasonPhrase"] = "it did not start"
        answer = await self._send(
            "POST",
            APPLIED.format(**self._place),
            route=APPLIED,
            headers=JSON,
            body=encoded(report),
        )
        if installed and answer.status == _OK:
            self.machine.acknowledged = offer.name

    async def forget(self) -> None:
        """Do nothing: there is nothing to lose."""
