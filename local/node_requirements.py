"""Whether this machine can run a node, and if not, why.

A node needs Linux, root, namespaces of the kernel, and a few programs that are not built here:
runc, the CNI plugins, nft and what util-linux and iproute2 bring. On Debian and its kin they are
installed where they are missing.
"""

import os
import platform
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from polyfleet.local.progress import StepProgress

_PROGRAMS = {
    "ip": "iproute2",
    "mount": "mount",
    "nft": "nftables",
    "nsenter": "util-linux",
    "runc": "runc",
    "unshare": "util-linux",
}
_PLUGINS = ("host-local", "loopback", "ptp")
_PLUGIN_PACKAGE = "containernetworking-plugins"
_PLUGIN_FOLDERS = (Path("/usr/lib/cni"), Path("/opt/cni/bin"), Path("/usr/libexec/cni"))
_SECONDS = 600
# The folders of administration are not on everybody's PATH.
_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"])


@dataclass(frozen=True, slots=True)
class NodeTools:
    """The programs of this machine that a node runs with."""

    runc: Path
    plugins: Path
    """The folder of the CNI plugins."""


def node_tools(environment: Mapping[str, str]) -> NodeTools | str:
    """Return what a node runs with, or a sentence that says why there can be none.

    Missing packages are installed by apt-get, if this is root's and Debian's.
    """
    if environment.get("POLYFLEET_NODE", "").lower() in {"no", "off", "false", "0"}:
        return "POLYFLEET_NODE switches it off"
    if platform.system() != "Linux":
        return f"a node needs Linux, this is {platform.system()}"
    if os.geteuid() != 0:
        return "a node needs root: pods have namespaces and control groups of their own"
    refusal = _install(_missing_packages()) or _kernel_refusal()
    return refusal or NodeTools(_found("runc"), _plugins())


def install_packages(programs: Mapping[str, str]) -> str | None:
    """Install the Debian packages of the programs that are missing; return what hinders it.

    `programs` says which package has each program.
    """
    return _install(sorted({package for name, package in programs.items() if not _where(name)}))


def _kernel_refusal() -> str | None:
    if "overlay" not in Path("/proc/filesystems").read_text():
        return "a node needs overlayfs, which this kernel does not have (`modprobe overlay`?)"
    # The very things that a node starts with, asked for in namespaces that end at once.
    trial = "mount --make-rshared / && ip link add type veth && nft add table ip trial"
    apart = ("unshare", "--pid", "--fork", "--mount", "--mount-proc", "--net")
    if complaint := _complaint(*apart, "sh", "-e", "-c", trial):
        return f"the kernel does not let a node have namespaces, links or nftables: {complaint}"
    return None


def _missing_packages() -> list[str]:
    missing = {package for name, package in _PROGRAMS.items() if not _where(name)}
    if not any(_has_plugins(folder) for folder in _PLUGIN_FOLDERS):
        missing.add(_PLUGIN_PACKAGE)
    return sorted(missing)


def _install(packages: list[str]) -> str | None:
    if not packages:
        return None
    names = ", ".join(packages)
    if not shutil.which("apt-get"):
        return f"this needs {names}, and there is no apt-get to install it"
    options = ("install", "--yes", "--quiet", "--no-install-recommends")
    with StepProgress(f"Installing {names} from Debian"):
        complaint = _complaint("apt-get", *options, *packages)
        if complaint:
            # A machine that never looked knows no packages.
            _complaint("apt-get", "update", "--quiet")
            complaint = _complaint("apt-get", *options, *packages)
    if complaint:
        return f"this needs {names}, which cannot be installed: {complaint}"
    return None


def _complaint(*command: str) -> str | None:
    done = subprocess.run(  # noqa: S603 - fixed programs and options, no shell
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=_SECONDS,
        env={**os.environ, "PATH": _PATH, "DEBIAN_FRONTEND": "noninteractive"},
    )
    if done.returncode == 0:
        return None
    return " ".join((done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]) or "no reason"


def _where(name: str) -> str | None:
    return shutil.which(name, path=_PATH)


def _found(name: str) -> Path:
    where = _where(name)
    if where is None:
        raise AssertionError(f"{name} was there a moment ago")
    return Path(where)


def _plugins() -> Path:
    return next(folder for folder in _PLUGIN_FOLDERS if _has_plugins(folder))


def _has_plugins(folder: Path) -> bool:
    return all((folder / name).exists() for name in _PLUGINS)
