"""The command lines of the control plane's programs, and why each option is there."""

from collections.abc import Callable
from pathlib import Path

from polyfleet.local.node_network import NodeNetwork
from polyfleet.local.pki import KeyMaterial

Arguments = Callable[[KeyMaterial, str], list[str]]

# A URL without a path names a socket file in the folder in which both processes are started.
# No other user gets to it, no port is taken, and the length limit of socket paths is no matter.
_ETCD_SOCKET = "etcd:2379"
_ETCD_CLIENTS = f"unix://{_ETCD_SOCKET}"
_ETCD_PEERS = "unix://etcd:2380"
_SERVICE_ADDRESSES = "10.96.0.0/16"
_ALONE = (
    "--bind-address=127.0.0.1",
    "--authorization-mode=RBAC",
    # A loopback address may not become the endpoint of the `kubernetes` Service.
    "--endpoint-reconciler-type=none",
)


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


# What service accounts ask for, and whether they may: no bodies, one line a request.
AUDIT_POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - level: Metadata
    userGroups: [system:serviceaccounts]
  - level: None
"""


def audit_arguments(policy: Path, log: Path) -> list[str]:
    """Return the options by which kube-apiserver writes down who asked for what."""
    return [
        f"--audit-policy-file={policy}",
        f"--audit-log-path={log}",
        # One file, never rotated: it lives as long as the control plane.
        "--audit-log-maxsize=0",
    ]


def api_server_arguments(
    material: KeyMaterial, port: str, network: NodeNetwork | None = None
) -> list[str]:
    """Return the options of kube-apiserver: RBAC, default admission.

    It listens on the loopback address only; with the network of a node, to its pods as well.
    """
    return [
        f"--etcd-servers={_ETCD_CLIENTS}",
        *(_reach_node(material, network) if network else _ALONE),
        f"--secure-port={port}",
        f"--client-ca-file={material.authority_certificate}",
        f"--tls-cert-file={material.serving_certificate}",
        f"--tls-private-key-file={material.serving_key}",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={material.service_account_public_key}",
        f"--service-account-signing-key-file={material.service_account_key}",
        f"--service-cluster-ip-range={_services(network)}",
        # Load tests share one server; fairness still divides these places.
        "--max-requests-inflight=1600",
        "--max-mutating-requests-inflight=800",
        "--profiling=false",
    ]


def component_kubeconfig(material: KeyMaterial, name: str) -> Path:
    """Return where a component finds its kubeconfig."""
    return material.directory / f"{name}.kubeconfig"


def controller_manager_arguments(
    material: KeyMaterial, port: str, network: NodeNetwork | None = None
) -> list[str]:
    """Return the options of kube-controller-manager, each controller with its own rights."""
    return [
        *_client_arguments("kube-controller-manager", material, port),
        "--use-service-account-credentials=true",
        f"--service-account-private-key-file={material.service_account_key}",
        f"--root-ca-file={material.authority_certificate}",
        f"--service-cluster-ip-range={_services(network)}",
    ]


def scheduler_arguments(material: KeyMaterial, port: str) -> list[str]:
    """Return the options of kube-scheduler."""
    name = "kube-scheduler"
    kubeconfig = component_kubeconfig(material, name)
    # Unlike its sisters it asks the API server about those who ask it, with a file of its own.
    return [
        *_client_arguments(name, material, port),
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
    ]


def _client_arguments(name: str, material: KeyMaterial, port: str) -> list[str]:
    return [
        f"--kubeconfig={component_kubeconfig(material, name)}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--tls-cert-file={material.serving_certificate}",
        f"--tls-private-key-file={material.serving_key}",
        # The only one there is; with election it ends itself when the API server is away.
        "--leader-elect=false",
        "--profiling=false",
    ]


def _reach_node(material: KeyMaterial, network: NodeNetwork) -> list[str]:
    return [
        # It listens on one address or on all, and both this machine and pods must reach it.
        "--bind-address=0.0.0.0",
        f"--advertise-address={network.host}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--kubelet-preferred-address-types=InternalIP",
        f"--kubelet-certificate-authority={material.authority_certificate}",
        f"--kubelet-client-certificate={material.kubelet_client_certificate}",
        f"--kubelet-client-key={material.kubelet_client_key}",
    ]


def _services(network: NodeNetwork | None) -> str:
    return network.services if network else _SERVICE_ADDRESSES
