"""The programs of control plane and node: which module has them, and at which version."""

import re
from dataclasses import dataclass
from pathlib import Path

from polyfleet.local.builder import Module, build
from polyfleet.local.errors import BuildError

CONTROL_PLANE = ("etcd", "kube-apiserver")
CONTROLLER_MANAGER = ("kube-controller-manager",)
SCHEDULER = ("kube-scheduler",)

_BINARIES = Path(__file__).with_name("binaries")
_KUBERNETES = _BINARIES / "kubernetes"
_OBJECT_STORAGE = _BINARIES / "versitygw"
_HELM = _BINARIES / "helm"
_CONTAINERD = _BINARIES / "containerd"
_DNS = _BINARIES / "coredns"
_WORKLOAD = _BINARIES / "workload"
_PACKAGES = {
    "etcd": "go.etcd.io/etcd/server/v3",
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
    "kube-proxy": "k8s.io/kubernetes/cmd/kube-proxy",
    "kube-scheduler": "k8s.io/kubernetes/cmd/kube-scheduler",
    "kubelet": "k8s.io/kubernetes/cmd/kubelet",
}


@dataclass(frozen=True, slots=True)
class NodePrograms:
    """Where the programs of a node are; each folder has the programs that it is named after."""

    kubernetes: Path
    """kubelet, kube-proxy and kube-scheduler."""
    containerd: Path
    """containerd, containerd-shim-runc-v2 and ctr."""
    dns: Path
    """coredns."""
    workload: Path
    """What runs in containers: pause, web and fetch, static."""


def build_control_plane(*, controller_manager: bool = False, cache: Path | None = None) -> Path:
    """Build etcd and kube-apiserver (and the controller manager) unless cached; return where."""
    programs = [*CONTROL_PLANE, *(CONTROLLER_MANAGER if controller_manager else ())]
    return build(kubernetes_module(), programs, cache=cache)


def build_node(*, cache: Path | None = None) -> NodePrograms:
    """Build what a node needs beside the control plane, unless cached."""
    kubernetes = [*SCHEDULER, "kubelet", "kube-proxy"]
    return NodePrograms(
        kubernetes=build(kubernetes_module(), kubernetes, cache=cache),
        containerd=build(_containerd_module(), sorted(_containerd_module().packages), cache=cache),
        dns=build(_dns_module(), ["coredns"], cache=cache),
        workload=build(_workload_module(), ["pause", "web", "fetch"], cache=cache),
    )


def build_object_storage(*, cache: Path | None = None) -> Path:
    """Build versitygw, an S3 server over a folder, unless cached; return the program."""
    name, required = "versitygw", "github.com/versity/versitygw"
    version = module_version(_OBJECT_STORAGE / "go.mod", required)
    packages = {name: f"{required}/cmd/{name}"}
    module = Module(f"{name}-{version}", _OBJECT_STORAGE, packages, ["-s", "-w"])
    return build(module, [name], cache=cache) / name


def build_helm(*, cache: Path | None = None) -> Path:
    """Build Helm unless cached; return the program."""
    name, required = "helm", "helm.sh/helm/v4"
    version = module_version(_HELM / "go.mod", required)
    # Charts see a Helm of no version otherwise.
    flags = ["-s", "-w", f"-X={required}/internal/version.version={version}"]
    module = Module(f"{name}-{version}", _HELM, {name: f"{required}/cmd/{name}"}, flags)
    return build(module, [name], cache=cache) / name


def kubernetes_module() -> Module:
    """Return the pinned Kubernetes module; its version is the one in go.mod."""
    version = module_version(_KUBERNETES / "go.mod", "k8s.io/kubernetes")
    major, minor, _ = version.removeprefix("v").split(".")
    # Without these the programs call themselves v0.0.0, and clients take them for ancient.
    stamps = {"gitVersion": version, "gitMajor": major, "gitMinor": minor}
    flags = [f"-X=k8s.io/component-base/version.{name}={value}" for name, value in stamps.items()]
    return Module(f"kubernetes-{version}", _KUBERNETES, _PACKAGES, ["-s", "-w", *flags])


def _containerd_module() -> Module:
    required = "github.com/containerd/containerd/v2"
    version = module_version(_CONTAINERD / "go.mod", required)
    names = ("containerd", "containerd-shim-runc-v2", "ctr")
    # Snapshotters that want C libraries or tools that a node of ours does not use.
    tags = ["no_btrfs", "no_devmapper", "no_zfs"]
    return Module(
        f"containerd-{version}",
        _CONTAINERD,
        {name: f"{required}/cmd/{name}" for name in names},
        ["-s", "-w", f"-X={required}/version.Version={version}"],
        tags,
    )


def _dns_module() -> Module:
    version = module_version(_DNS / "go.mod", "github.com/coredns/coredns")
    return Module(f"coredns-{version}", _DNS, {"coredns": "."}, ["-s", "-w"])


def _workload_module() -> Module:
    packages = {name: f"./{name}" for name in ("pause", "web", "fetch")}
    return Module("workload", _WORKLOAD, packages, ["-s", "-w"])


def module_version(module: Path, required: str) -> str:
    """Return the version at which a go.mod requires another module."""
    found = re.search(rf"^\s*{re.escape(required)} (v\S+)", module.read_text(), re.MULTILINE)
    if not found:
        raise BuildError(f"{module} does not require {required}")
    return found.group(1)
