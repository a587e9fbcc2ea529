"""The configuration of what runs on a node, and why each setting is there.

All paths are those inside the node's namespaces, where `/run` is the node's own.
"""

import json
from pathlib import Path
from typing import Any

import yaml

from polyfleet.local.node_network import NodeNetwork

STATE = Path("/run/node")
"""Where the node sees the folder that holds its files."""
CONTAINERD_SOCKET = Path("/run/containerd/containerd.sock")
PAUSE_IMAGE = "docker.io/local/pause:1"
DNS_PORT = 53
DNS_HEALTH_PORT = 8080
PROXY_HEALTH_PORT = 10256
KUBELET_PORT = 10250
NODE_NAME = "local"

_CONTAINERD = """\
version = 3
root = "{state}/containerd"
state = "/run/containerd"

[grpc]
address = "{socket}"

[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = "{pause}"

[plugins.'io.containerd.cri.v1.runtime']
# A machine that is itself a sandbox may not let us lower this score; runc would die of it.
restrict_oom_score_adj = true

[plugins.'io.containerd.cri.v1.runtime'.cni]
bin_dirs = ["{plugins}"]
conf_dir = "{state}/cni"

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
BinaryName = "{runc}"
SystemdCgroup = false
"""

_COREFILE = """\
.:{port} {{
    bind {address}
    errors
    health {address}:{health}
    kubernetes cluster.local in-addr.arpa {{
        kubeconfig {state}/coredns.kubeconfig
        pods insecure
        ttl 5
    }}
    cache 5
}}
"""

DNS_RIGHTS: dict[str, Any] = {
    "rules": [
        {
            "apiGroups": [""],
            "resources": ["services", "pods", "namespaces"],
            "verbs": ["list", "watch"],
        },
        {
            "apiGroups": ["discovery.k8s.io"],
            "resources": ["endpointslices"],
            "verbs": ["list", "watch"],
        },
    ]
}
"""What cluster DNS reads."""


def containerd_configuration(*, runc: Path, plugins: Path) -> str:
    """Return containerd's configuration (version 3); `plugins` is the folder of CNI plugins."""
    return _CONTAINERD.format(
        state=STATE, socket=CONTAINERD_SOCKET, pause=PAUSE_IMAGE, plugins=plugins, runc=runc
    )


def pod_network(network: NodeNetwork) -> str:
    """Return the CNI configuration: each pod on a link of its own, one range of addresses.

    On a bridge, the answer of a Service's pod would reach a pod beside it untranslated, unless the
    kernel has br_netfilter.
    """
    link = {
        "type": "ptp",
        "ipam": {
            "type": "host-local",
            "ranges": [[{"subnet": network.pods}]],
            "routes": [{"dst": "0.0.0.0/0"}],
            "dataDir": f"{STATE}/addresses",
        },
    }
    return json.dumps({"cniVersion": "1.0.0", "name": "pods", "plugins": [link]}, indent=2)


def corefile(network: NodeNetwork) -> str:
    """Return CoreDNS's configuration: names of the cluster, and no others."""
    return _COREFILE.format(
        port=DNS_PORT, health=DNS_HEALTH_PORT, address=network.node, state=STATE
    )


def kubelet_configuration(network: NodeNetwork, cgroup: str) -> str:
    """Return kubelet's configuration; `cgroup` is the control group below which pods run."""
    return yaml.safe_dump(
        {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": network.node,
            "port": KUBELET_PORT,
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": f"{STATE}/ca.crt"},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": f"{STATE}/kubelet.crt",
            "tlsPrivateKeyFile": f"{STATE}/kubelet.key",
            "clusterDNS": [network.node],
            "clusterDomain": "cluster.local",
            # Pods know the names of the cluster; there is nobody to ask for others.
            "resolvConf": "",
            "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
            "podLogsDir": f"{STATE}/pod-logs",
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{cgroup}",
            # The machine is not the node's alone, and may let it divide nothing.
            "cgroupsPerQOS": False,
            "enforceNodeAllocatable": [],
            "failCgroupV1": False,
            "failSwapOn": False,
            "localStorageCapacityIsolation": False,
            # Its disk is the machine's: what fills it is seldom ours to evict or to collect.
            "imageGCHighThresholdPercent": 100,
            "evictionHard": {"memory.available": "50Mi", "nodefs.available": "0%"},
            "serializeImagePulls": False,
            "shutdownGracePeriod": "0s",
            "registerNode": True,
        },
        sort_keys=False,
    )


def kubelet_arguments(network: NodeNetwork) -> list[str]:
    """Return kubelet's options: those that its configuration has no place for."""
    return [
        f"--config={STATE}/kubelet.yaml",
        f"--kubeconfig={STATE}/kubelet.kubeconfig",
        f"--root-dir={STATE}/kubelet",
        f"--cert-dir={STATE}/kubelet-certificates",
        f"--hostname-override={NODE_NAME}",
        f"--node-ip={network.node}",
    ]


def proxy_arguments(network: NodeNetwork) -> list[str]:
    """Return kube-proxy's options."""
    return [
        f"--kubeconfig={STATE}/kube-proxy.kubeconfig",
        "--proxy-mode=nftables",
        f"--cluster-cidr={network.pods}",
        f"--hostname-override={NODE_NAME}",
        f"--healthz-bind-address={network.node}:{PROXY_HEALTH_PORT}",
        f"--metrics-bind-address={network.node}:10249",
        # These are settings of the whole machine, and not for a node to change.
        "--conntrack-max-per-core=0",
        "--conntrack-tcp-timeout-established=0",
        "--conntrack-tcp-timeout-close-wait=0",
    ]
