"""The certificate authority of one local control plane and what it signs."""

import datetime as dt
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from polyfleet.local.state import write_private

_LIFETIME = dt.timedelta(days=3650)
_SERVICE_ACCOUNT_KEY_BITS = 2048


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate and its private key, both PEM."""

    certificate: str
    key: str

    def write(self, directory: Path, name: str) -> tuple[Path, Path]:
        """Write `name`.crt and `name`.key (mode 600); return both paths."""
        paths = directory / f"{name}.crt", directory / f"{name}.key"
        write_private(paths[0], self.certificate)
        write_private(paths[1], self.key)
        return paths


class CertificateAuthority:
    """Signs the serving certificate and those of the clients."""

    def __init__(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        self._certificate = certificate
        self._key = key

    @classmethod
    def create(cls) -> "CertificateAuthority":
        """Make a new authority."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("polyfleet-local", [])
        constraints = x509.BasicConstraints(ca=True, path_length=0)
        builder = _builder(name, name, key.public_key()).add_extension(constraints, critical=True)
        builder = builder.add_extension(_key_usage(signs_certificates=True), critical=True)
        return cls(builder.sign(key, hashes.SHA256()), key)

    @classmethod
    def load(cls, directory: Path) -> "CertificateAuthority":
        """Read the authority that `write` left in `directory`."""
        certificate = x509.load_pem_x509_certificate((directory / "ca.crt").read_bytes())
        key = serialization.load_pem_private_key((directory / "ca.key").read_bytes(), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TypeError(f"{directory / 'ca.key'} is not an elliptic curve key")
        return cls(certificate, key)

    def write(self, directory: Path) -> tuple[Path, Path]:
        """Write ca.crt and ca.key; return both paths."""
        return Certificate(self.certificate, _private_pem(self._key)).write(directory, "ca")

    @property
    def certificate(self) -> str:
        """The authority's own certificate, PEM."""
        return _pem(self._certificate)

    def issue_serving(self, names: Sequence[str]) -> Certificate:
        """Issue a certificate for a server under these host names and addresses."""
        alternatives = x509.SubjectAlternativeName([_general_name(name) for name in names])
        return self._issue(_name(names[0], []), ExtendedKeyUsageOID.SERVER_AUTH, alternatives)

    def issue_client(self, user: str, groups: Sequence[str] = ()) -> Certificate:
        """Issue a certificate that Kubernetes reads as `user` in `groups`."""
        return self._issue(_name(user, groups), ExtendedKeyUsageOID.CLIENT_AUTH, None)

    def _issue(
        self,
        subject: x509.Name,
        usage: x509.ObjectIdentifier,
        alternatives: x509.SubjectAlternativeName | None,
    ) -> Certificate:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(subject, self._certificate.subject, key.public_key())
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        builder = builder.add_extension(_key_usage(signs_certificates=False), critical=True)
        # Python 3.13 verifies strictly and refuses a chain without the key identifiers.
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
            critical=False,
        )
        if alternatives is not None:
            builder = builder.add_extension(alternatives, critical=False)
        return Certificate(_pem(builder.sign(self._key, hashes.SHA256())), _private_pem(key))


def service_account_keys() -> tuple[str, str]:
    """Make the key pair that signs service-account tokens: private PEM, public PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=_SERVICE_ACCOUNT_KEY_BITS)
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return _private_pem(key), public.decode()


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + _LIFETIME)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _name(common_name: str, organizations: Sequence[str]) -> x509.Name:
    groups = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in organizations]
    return x509.Name([*groups, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _private_pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
