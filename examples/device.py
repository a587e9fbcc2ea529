"""A device in one file: it enrols, asks for updates, installs them and reports what it runs.

It speaks RDFM's device protocol and needs nothing but Python and `cryptography`:

    python examples/device.py --url http://127.0.0.1:8080 --id gateway-7 --type gateway --wait

What it "installs" is a text file whose first line is the version; the state folder holds its key,
the version it runs, and downloads that were cut short.
"""

import argparse
import base64
import hashlib
import http.client
import json
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

TIMEOUT = 30
CHUNK = 64 * 1024
ATTEMPTS = 5
PENDING = 3  # exit status: the device waits to be let in


class DeviceError(Exception):
    """Something that the person who runs the device should read."""


@dataclass(frozen=True)
class Answer:
    """An HTTP answer that was read to its end."""

    status: int
    body: bytes

    def json(self) -> dict[str, Any]:
        """Return the JSON object in the body."""
        value = json.loads(self.body)
        if not isinstance(value, dict):
            raise DeviceError(f"not an answer of the server: {value!r}")
        return value


class State:
    """What the device remembers: its key and the version that it runs."""

    def __init__(self, folder: Path, first_version: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._version = folder / "version"
        if not self._version.exists():
            self.install(first_version)
        self.key = self._load_key(folder / "key.pem")

    @property
    def version(self) -> str:
        """The version that the device runs."""
        return self._version.read_text().strip()

    def install(self, version: str) -> None:
        """Run another version from now on."""
        temporary = self._version.with_suffix(".new")
        temporary.write_text(version + "\n")
        temporary.replace(self._version)

    @staticmethod
    def _load_key(path: Path) -> rsa.RSAPrivateKey:
        if path.exists():
            key = serialization.load_pem_private_key(path.read_bytes(), password=None)
            if not isinstance(key, rsa.RSAPrivateKey):
                raise DeviceError(f"{path} is not an RSA key")
            return key
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        path.touch(mode=0o600)
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return key


class Device:
    """A device and the server that it belongs to."""

    def __init__(self, url: str, identifier: str, kind: str, state: State) -> None:
        self.url = url.rstrip("/")
        self.identifier = identifier
        self.kind = kind
        self.state = state
        self.extra: dict[str, str] = {}
        self._token: str | None = None

    @property
    def metadata(self) -> dict[str, str]:
        """What the device says about itself."""
        return {
            **self.extra,
            "rdfm.software.version": self.state.version,
            "rdfm.hardware.devtype": self.kind,
            "rdfm.hardware.macaddr": self.identifier,
        }

    def authenticate(self) -> bool:
        """Fetch a token and tell what the device runs; False if it must wait to be let in."""
        public_key = self.state.key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        body = json.dumps(
            {
                "metadata": self.metadata,
                "public_key": public_key.decode(),
                "timestamp": int(time.time()),
            }
        ).encode()
        signature = self.state.key.sign(body, padding.PKCS1v15(), hashes.SHA256())
        headers = {"X-RDFM-Device-Signature": base64.b64encode(signature).decode()}
        answer = self._post("/api/v1/auth/device", body, headers)
        if answer.status == 401:
            return False
        if answer.status != 200:
            raise DeviceError(f"authentication failed: {answer.status} {answer.body.decode()}")
        self._token = str(answer.json()["token"])
        return True

    def check(self) -> dict[str, Any] | None:
        """Ask for an update; None if there is none."""
        headers = {"Authorization": f"Bearer token={self._token}"}
        body = json.dumps(self.metadata).encode()
        answer = self._post("/api/v1/update/check", body, headers)
        if answer.status == 204:
            return None
        if answer.status != 200:
            raise DeviceError(f"the check failed: {answer.status} {answer.body.decode()}")
        return answer.json()

    def download(self, update: dict[str, Any]) -> Path:
        """Fetch the file, going on where an earlier attempt stopped, and verify it."""
        file = self.state.folder / f"{update['sha256']}.download"
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self._fetch(str(update["uri"]), file)
                break
            except (OSError, http.client.HTTPException) as error:
                if attempt == ATTEMPTS:
                    raise DeviceError(f"the download failed: {error}") from error
                have = file.stat().st_size if file.exists() else 0
                say(f"download cut short after {have} bytes ({error}); going on from there")
                time.sleep(min(2.0**attempt / 10, 5.0))
        digest = sha256_of(file)
        if digest != update["sha256"]:
            file.unlink()
            raise DeviceError(f"the file has digest {digest}, {update['sha256']} was announced")
        return file

    def _fetch(self, uri: str, file: Path) -> None:
        have = file.stat().st_size if file.exists() else 0
        request = urllib.request.Request(uri)
        if have:
            request.add_header("Range", f"bytes={have}-")
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
                mode = "ab" if response.status == 206 else "wb"
                expected = int(response.headers.get("Content-Length", -1))
                with file.open(mode) as target:
                    received = copy(response, target)
        except urllib.error.HTTPError as error:
            if error.code == 416:  # nothing is missing
                return
            raise DeviceError(f"the download was refused: {error.code}") from error
        if expected not in (-1, received):
            raise OSError(f"{received} of {expected} bytes")

    def _post(self, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        request = urllib.request.Request(
            self.url + path, body, {"Content-Type": "application/json", **headers}
        )
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
                return Answer(response.status, response.read())
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.read())
        except OSError as error:
            raise DeviceError(f"{self.url} cannot be reached: {error}") from error


def copy(source: Any, target: Any) -> int:
    """Copy to the end in chunks; return how many bytes that were."""
    total = 0
    while chunk := source.read(CHUNK):
        target.write(chunk)
        total += len(chunk)
    return total


def sha256_of(file: Path) -> str:
    """Return the file's digest in hexadecimal."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def install(state: State, file: Path) -> str:
    """Run what the file holds from now on; return its version."""
    with file.open("rb") as opened:
        line = opened.readline(257).strip()
    if not 0 < len(line) <= 256 or not line.isascii():
        raise DeviceError("the file does not begin with a line that names its version")
    state.install(line.decode())
    file.unlink()
    return state.version


def one_round(device: Device) -> None:
    """Ask once, and install what is offered; a chain of updates takes several rounds."""
    update = device.check()
    if update is None:
        say(f"runs {device.state.version}: no update")
        return
    say(f"package {update['id']} is offered: {update['uri'].partition('?')[0]}")
    file = device.download(update)
    say(f"{file.stat().st_size} bytes, sha256 {update['sha256'][:12]}… as announced")
    before = device.state.version
    say(f"installed: {before} -> {install(device.state, file)}")
    device.authenticate()  # tells the server at once what runs now


def enrol(device: Device, *, wait: bool, interval: float) -> bool:
    """Authenticate; with `wait`, as long as it takes until somebody lets the device in."""
    told = False
    while not device.authenticate():
        if not told:
            say("is not known yet; somebody must accept it")
            told = True
        if not wait:
            return False
        time.sleep(interval)
    say(f"authenticated as {device.identifier}")
    return True


def say(text: str) -> None:
    """Print at once, with the time."""
    print(time.strftime("%H:%M:%S"), text, flush=True)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="A device that speaks RDFM's protocol.")
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    parser.add_argument("--id", required=True, help="how the fleet knows the device")
    parser.add_argument("--type", default="gateway", help="the device type")
    parser.add_argument("--first-version", default="v1.0.0", help="what a new device runs")
    parser.add_argument("--attribute", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--state", type=Path, help="folder (default: .device-<id>)")
    parser.add_argument("--wait", action="store_true", help="wait until the device is let in")
    parser.add_argument("--once", action="store_true", help="ask once, then stop")
    parser.add_argument("--interval", type=float, default=5.0, help="seconds between questions")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run the device; return the exit status."""
    options = parse(arguments)
    folder = options.state or Path(f".device-{options.id}")
    try:
        device = Device(options.url, options.id, options.type, State(folder, options.first_version))
        device.extra = dict(pair.split("=", 1) for pair in options.attribute)
        while True:
            if not enrol(device, wait=options.wait, interval=options.interval):
                return PENDING
            one_round(device)
            if options.once:
                return 0
            time.sleep(options.interval)
    except DeviceError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
