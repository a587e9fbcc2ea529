"""The key material of one control plane: made once, in a private folder."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from polyfleet.local.certificates import CertificateAuthority, service_account_keys
from polyfleet.local.state import write_private

SERVING_NAMES = (
    "127.0.0.1",
    "localhost",
    "10.96.0.1",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)


@dataclass(frozen=True, slots=True)
class KeyMaterial:
    """Where the keys and certificates of a control plane are."""

    directory: Path

    @classmethod
    def ensure(cls, directory: Path, further_names: Sequence[str] = ()) -> "KeyMaterial":
        """Make the key material in `directory` unless it is there already.

        The API server serves under `further_names` too.
        """
        material = cls(directory)
        if material.service_account_public_key.exists():
            return material
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        authority = CertificateAuthority.create()
        authority.write(directory)
        authority.issue_serving([*SERVING_NAMES, *further_names]).write(directory, "serving")
        kubelet_client = authority.issue_client("kube-apiserver-kubelet-client", ["system:masters"])
        kubelet_client.write(directory, "kubelet-client")
        private, public = service_account_keys()
        write_private(material.service_account_key, private)
        write_private(material.service_account_public_key, public)
        return material

    @property
    def authority(self) -> CertificateAuthority:
        """The certificate authority, to sign further clients."""
        return CertificateAuthority.load(self.directory)

    @property
    def authority_certificate(self) -> Path:
        """The certificate that clients trust."""
        return self.directory / "ca.crt"

    @property
    def serving_certificate(self) -> Path:
        """The certificate of the API server and the controller manager."""
        return self.directory / "serving.crt"

    @property
    def serving_key(self) -> Path:
        """The key of `serving_certificate`."""
        return self.directory / "serving.key"

    @property
    def kubelet_client_certificate(self) -> Path:
        """The certificate with which the API server calls kubelet."""
        return self.directory / "kubelet-client.crt"

    @property
    def kubelet_client_key(self) -> Path:
        """The key of `kubelet_client_certificate`."""
        return self.directory / "kubelet-client.key"

    @property
    def service_account_key(self) -> Path:
        """The key that signs service-account tokens."""
        return self.directory / "service-account.key"

    @property
    def service_account_public_key(self) -> Path:
        """The key that verifies service-account tokens; written last."""
        return self.directory / "service-account.pub"
