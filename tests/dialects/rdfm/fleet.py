"""What the tests of this folder drive: devices with real keys, and a maker of things."""

import base64
import json
import secrets
import time
from functools import lru_cache
from typing import Any, Literal

import httpx
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.facade_fixtures import FacadeServer

Form = Literal["spki", "pkcs1", "pkcs1 under the label PUBLIC KEY"]

SIGNATURE = "X-RDFM-Device-Signature"


@lru_cache(64)
def rsa_key(bits: int = 2048, number: int = 0) -> rsa.RSAPrivateKey:
    """Return a real key; the same one for the same arguments, as making one takes long."""
    del number
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def pem_of(key: rsa.RSAPrivateKey, form: Form = "spki") -> str:
    """Return the public half as clients of different kinds write it."""
    encoding = PublicFormat.SubjectPublicKeyInfo if form == "spki" else PublicFormat.PKCS1
    pem = key.public_key().public_bytes(Encoding.PEM, encoding).decode()
    return pem.replace("RSA PUBLIC", "PUBLIC") if form.endswith("PUBLIC KEY") else pem


class SimulatedDevice:
    """A device: its id, its key, what it runs; it speaks to the facade over real HTTP."""

    def __init__(
        self,
        client: httpx.Client,
        identifier: str,
        *,
        key: rsa.RSAPrivateKey | None = None,
        form: Form = "spki",
        version: str = "v0",
        device_type: str = "dummy",
    ) -> None:
        self.client = client
        self.identifier = identifier
        self.key = key or rsa_key()
        self.pem = pem_of(self.key, form)
        self.metadata: dict[str, Any] = {
            "rdfm.software.version": version,
            "rdfm.hardware.devtype": device_type,
            "rdfm.hardware.macaddr": identifier,
        }

    def body(self, **changes: Any) -> bytes:
        """Return the body of a request for a token."""
        document = {
            "metadata": self.metadata,
            "public_key": self.pem,
            "timestamp": int(time.time()),
            **changes,
        }
        return json.dumps({k: v for k, v in document.items() if v is not None}).encode()

    def sign(self, body: bytes) -> str:
        """Return the signature of a body as the header carries it."""
        return base64.b64encode(self.key.sign(body, PKCS1v15(), SHA256())).decode()

    def ask(
        self,
        body: bytes | None = None,
        *,
        path: str = "/api/v1/auth/device",
        **headers: str | bytes,
    ) -> httpx.Response:
        """Ask for a token."""
        content = self.body() if body is None else body
        return self.client.post(
            path,
            content=content,
            headers={
                "Content-Type": "application/json",
                SIGNATURE: self.sign(content),
                **headers,
            },
        )

    def token(self) -> str:
        """Return a token; the device must be let in."""
        reply = self.ask()
        assert reply.status_code == 200, reply.text
        token: str = reply.json()["token"]
        return token

    def check(self, token: str | None = None, **changes: Any) -> httpx.Response:
        """Ask for an update."""
        return self.client.post(
            "/api/v1/update/check",
            json={**self.metadata, **changes},
            headers={"Authorization": f"Bearer token={token or self.token()}"},
        )


class Fleet:
    """Makes devices, packages and groups through the API."""

    def __init__(
        self, server: FacadeServer, manager: httpx.Client, anonymous: httpx.Client
    ) -> None:
        self.server = server
        self.manager = manager
        self.anonymous = anonymous

    def stranger(self, identifier: str | None = None, **options: Any) -> SimulatedDevice:
        """Return a device that is not let in."""
        name = identifier or f"device-{secrets.token_hex(6)}"
        return SimulatedDevice(self.anonymous, name, **options)

    def device(self, identifier: str | None = None, **options: Any) -> tuple[SimulatedDevice, int]:
        """Return a device that is let in, and its serial."""
        device = self.stranger(identifier, **options)
        assert device.ask().status_code == 401
        self.accept(device)
        assert device.ask().status_code == 200
        return device, self.serial_of(device)

    def accept(self, device: SimulatedDevice) -> None:
        """Let a device in."""
        reply = self.manager.post(
            "/api/v1/auth/register",
            json={"mac_address": device.identifier, "public_key": device.pem},
        )
        assert reply.status_code == 200, reply.text

    def serial_of(self, device: SimulatedDevice) -> int:
        """Return a device's serial."""
        found = [
            item["id"]
            for item in self.manager.get("/api/v1/devices").json()
            if item["mac_address"] == device.identifier
        ]
        assert len(found) == 1
        return int(found[0])

    def package(
        self,
        version: str = "v1",
        device_type: str = "dummy",
        *,
        content: bytes | None = None,
        **metadata: str,
    ) -> dict[str, Any]:
        """Upload a package; `requires__x_y="v"` is the form field `requires:x.y`."""
        fields = {
            "rdfm.software.version": version,
            "rdfm.hardware.devtype": device_type,
            **{
                key.replace("requires__", "requires:").replace("_", "."): value
                for key, value in metadata.items()
            },
        }
        reply = self.manager.post(
            "/api/v1/packages",
            data=fields,
            files={"file": ("file.img", content or secrets.token_bytes(64))},
        )
        assert reply.status_code == 200, reply.text
        package: dict[str, Any] = reply.json()
        return package

    def group(
        self,
        *,
        devices: list[int] | None = None,
        packages: list[int] | None = None,
        policy: str | None = None,
        priority: int | None = None,
        **metadata: Any,
    ) -> int:
        """Make a group and return its serial."""
        body: dict[str, Any] = {"metadata": metadata}
        if priority is not None:
            body["priority"] = priority
        reply = self.manager.post("/api/v2/groups", json=body)
        assert reply.status_code == 200, reply.text
        serial = int(reply.json()["id"])
        if devices:
            self.done(self.change(serial, add=devices))
        if packages:
            self.done(
                self.manager.post(f"/api/v1/groups/{serial}/package", json={"packages": packages})
            )
        if policy:
            self.done(self.manager.post(f"/api/v1/groups/{serial}/policy", json={"policy": policy}))
        return serial

    def change(
        self, group: int, *, add: list[Any] | None = None, remove: list[Any] | None = None
    ) -> httpx.Response:
        """Let devices join and leave a group."""
        return self.manager.patch(
            f"/api/v1/groups/{group}/devices", json={"add": add or [], "remove": remove or []}
        )

    def done(self, reply: httpx.Response) -> None:
        """Check that a write without content succeeded, in the bytes that clients expect."""
        assert (reply.status_code, reply.content) == (200, b"{}\n"), reply.text


def error_text(reply: httpx.Response) -> str:
    """Return the text of an error, which must be all that the body holds."""
    assert reply.headers["content-type"] == "application/json"
    assert reply.content.endswith(b"\n")
    document = reply.json()
    assert list(document) == ["error"]
    text = document["error"]
    assert isinstance(text, str)
    assert text
    return text
