"""Small images of our own making, to be deployed: a web application, in builds good and bad.

They hold the static programs of local/binaries/workload and Debian's static busybox, so that
there is a shell for one-off commands.
"""

import shutil
import tempfile
from pathlib import Path

from polyfleet.local.errors import BuildError
from polyfleet.local.images import ImageSettings, pack
from polyfleet.local.node_requirements import install_packages
from polyfleet.local.programs import NodePrograms

_BUSYBOX = Path("/bin/busybox")
_COMMANDS = ("cat", "echo", "env", "false", "id", "ls", "sh", "sleep", "true")
_PROGRAMS = ("fetch", "web")


def sample_image(file: Path, programs: NodePrograms, *, build: str, broken: bool = False) -> str:
    """Write the web application's image to `file`; return its name, `docker.io/local/web:build`.

    A broken build prints why it cannot start, and ends with status 3.
    """
    if refusal := install_packages({"busybox": "busybox-static"}):
        raise BuildError(refusal)
    reference = f"docker.io/local/web:{build}"
    environment = {"PATH": "/bin", "SAMPLE_BUILD": build}
    settings = ImageSettings(
        command=["/bin/web"],
        environment={**environment, **({"SAMPLE_BROKEN": "yes"} if broken else {})},
        user="65532:65532",
    )
    root = Path(tempfile.mkdtemp(prefix="polyfleet-sample-"))
    try:
        folder = root / "bin"
        folder.mkdir()
        for program in _PROGRAMS:
            shutil.copy(programs.workload / program, folder / program)
        shutil.copy(_BUSYBOX, folder / "busybox")
        for command in _COMMANDS:
            (folder / command).symlink_to("busybox")
        pack(root, file, reference=reference, settings=settings)
    finally:
        shutil.rmtree(root)
    return reference
