"""Credentials for the API server that end, and are renewed under a running process."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import structlog
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from prometheus_client import CollectorRegistry

from polyfleet.fleet.objects.kinds import DEVICES
from polyfleet.kube.cache import Cache
from polyfleet.kube.client import Client
from polyfleet.kube.configuration import load_connection
from polyfleet.kube.errors import TooManyRequests, Unauthorized
from polyfleet.local.control_plane import ControlPlane
from polyfleet.local.install import service_account_kubeconfig
from tests.faults.site import PATIENCE

Rewrite = Callable[[dict[str, str]], None]


@pytest.fixture
def kubeconfig(plane: ControlPlane, tmp_path: Path) -> tuple[Path, Rewrite]:
    """Provide a kubeconfig, and how to write other credentials into it."""
    file = tmp_path / "kubeconfig"
    document = yaml.safe_load(plane.kubeconfig.read_text())

    def rewrite(user: dict[str, str]) -> None:
        document["users"][0]["user"] = user
        file.write_text(yaml.safe_dump(document))

    return file, rewrite


@asynccontextmanager
async def reading(kubeconfig: Path) -> AsyncIterator[Client]:
    connection = await asyncio.to_thread(load_connection, kubeconfig)
    async with Client(
        connection,
        namespace="default",
        field_manager="polyfleet-test",
        registry=CollectorRegistry(),
    ) as client:
        yield client


async def test_a_client_certificate_that_expired_is_named_and_a_new_one_taken(
    plane: ControlPlane, kubeconfig: tuple[Path, Rewrite]
) -> None:
    file, rewrite = kubeconfig
    authority = plane.material.directory
    rewrite(certificate(authority, timedelta(days=-1)))
    async with reading(file) as client, Cache(client, (DEVICES,)) as cache:
        with structlog.testing.capture_logs() as logs:
            for _ in range(3):
                with pytest.raises(Unauthorized):
                    await client.list_documents(DEVICES)
        refused = [entry for entry in logs if "refuses the client certificate" in entry["event"]]
        assert len(refused) == 1, logs
        assert refused[0]["file"] == str(file)
        expired = datetime.fromisoformat(refused[0]["expires"])
        assert expired < datetime.now(UTC)
        assert not cache.synced

        file.write_text("users: [")  # half written, when somebody looks
        with pytest.raises(Unauthorized):
            await client.list_documents(DEVICES)

        rewrite(certificate(authority, timedelta(days=1)))
        await listed(client)
        await cache.wait_synced(PATIENCE)


async def test_a_token_in_a_file_is_read_again_once_it_is_refused(
    plane: ControlPlane, kubeconfig: tuple[Path, Rewrite], service_account_token: Callable[[], str]
) -> None:
    file, rewrite = kubeconfig
    token = file.with_name("token")
    token.write_text("one.that.expired")
    rewrite({"tokenFile": "token"})
    async with reading(file) as client:
        with pytest.raises(Unauthorized):
            await client.list_documents(DEVICES)
        token.write_text(service_account_token())
        await listed(client)


@pytest.fixture
def service_account_token(plane: ControlPlane, tmp_path: Path) -> Callable[[], str]:
    """Provide a maker of tokens that may read devices."""

    def make() -> str:
        made = service_account_kubeconfig(
            plane.kubeconfig,
            tmp_path / "account.kubeconfig",
            namespace="default",
            name="polyfleet-facade",
        )
        token: str = yaml.safe_load(made.read_text())["users"][0]["user"]["token"]
        return token

    return make


async def listed(client: Client) -> None:
    """Read the devices, once a server that has just started has read them itself."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                await client.list_documents(DEVICES)
            except TooManyRequests:
                await asyncio.sleep(0.2)
            else:
                return


def certificate(authority: Path, lifetime: timedelta) -> dict[str, str]:
    """Return the section of an administrator whose certificate ends after `lifetime` from now."""
    issuer = x509.load_pem_x509_certificate((authority / "ca.crt").read_bytes())
    signer = serialization.load_pem_private_key((authority / "ca.key").read_bytes(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "system:masters"),
            x509.NameAttribute(NameOID.COMMON_NAME, "somebody"),
        ]
    )
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=2))
        .not_valid_after(now + lifetime)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(signer, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = made.public_bytes(serialization.Encoding.PEM)
    return {
        "client-certificate-data": base64.b64encode(public).decode(),
        "client-key-data": base64.b64encode(private).decode(),
    }
