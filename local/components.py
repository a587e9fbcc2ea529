"""The command lines of the control plane's programs, and why each option is there."""

from collections.abc import Callable
from pathlib import Path

from polyfleet.local.pki import KeyMaterial

Arguments = Callable[[KeyMaterial, str], list[str]]

# A URL without a path names a socket file in the folder in which both processes are started.
# No other user gets to it, no port is taken, and the length limit of socket paths is no matter.
_ETCD_SOCKET = "etcd:2379"
_ETCD_CLIENTS = f"unix://{_ETCD_SOCKET}"
_ETCD_PEERS = "unix://etcd:2380"
_SERVICE_ADDRESSES = "10.96.0.0/16"


def etcd_socket(directory: Path) -> Path:
    """Return the socket of an etcd started in `directory`."""
    return directory / _ETCD_SOCKET


def etcd_arguments(data: Path, *, fsync: bool) -> list[str]:
    """Return the options of a single etcd member on sockets in its working folder."""
    return [
        "--name=local",
        f"--data-dir={data}",
        f"--listen-client-urls={_ETCD_CLIENTS}",
        f"--advertise-client-urls={_ETCD_CLIENTS}",
        f"--listen-peer-urls={_ETCD_PEERS}",
        f"--initial-advertise-peer-urls={_ETCD_PEERS}",
        f"--initial-cluster=local={_ETCD_PEERS}",
        "--log-level=warn",
        # 100,000 devices with their history fit; the default of 2 GiB is soon full.
        "--quota-backend-bytes=8589934592",
        *([] if fsync else ["--unsafe-no-fsync"]),
    ]


def api_server_arguments(material: KeyMaterial, port: str) -> list[str]:
    """Return the options of kube-apiserver: RBAC, loopback only, default admission."""
    return [
        f"--etcd-servers={_ETCD_CLIENTS}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--client-ca-file={material.authority_certificate}",
        f"--tls-cert-file={material.serving_certificate}",
        f"--tls-private-key-file={material.serving_key}",
        "--authorization-mode=RBAC",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={material.service_account_public_key}",
        f"--service-account-signing-key-file={material.service_account_key}",
        f"--service-cluster-ip-range={_SERVICE_ADDRESSES}",
        # A loopback address may not become the endpoint of the `kubernetes` Service.
        "--endpoint-reconciler-type=none",
        # Load tests share one server; fairness still divides these places.
        "--max-requests-inflight=1600",
        "--max-mutating-requests-inflight=800",
        "--profiling=false",
    ]


def controller_manager_kubeconfig(material: KeyMaterial) -> Path:
    """Return where kube-controller-manager finds its kubeconfig."""
    return material.directory / "kube-controller-manager.kubeconfig"


def controller_manager_arguments(material: KeyMaterial, port: str) -> list[str]:
    """Return the options of kube-controller-manager, each controller with its own rights."""
    return [
        f"--kubeconfig={controller_manager_kubeconfig(material)}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--tls-cert-file={material.serving_certificate}",
        f"--tls-private-key-file={material.serving_key}",
        # The only one there is; with election it ends itself when the API server is away.
        "--leader-elect=false",
        "--use-service-account-credentials=true",
        f"--service-account-private-key-file={material.service_account_key}",
        f"--root-ca-file={material.authority_certificate}",
        f"--service-cluster-ip-range={_SERVICE_ADDRESSES}",
        "--profiling=false",
    ]
