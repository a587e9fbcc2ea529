"""Polyfleet's own image, built without Docker and without a registry.

What is in it is described by image/build-root.sh, which the Dockerfile runs as well; how it is
run by image/settings.json. Root only, and on Debian or its kin.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from polyfleet.local.cache import cache_directory, exclusive
from polyfleet.local.errors import BuildError, last_lines
from polyfleet.local.images import ImageSettings, pack
from polyfleet.local.install import ROOT
from polyfleet.local.node_requirements import install_packages
from polyfleet.local.progress import StepProgress

CODE = ("api", "cli", "crds", "fleet", "kube", "operator", "simulator")
"""The folders of the code that are in the image."""
REFERENCE = "docker.io/local/polyfleet"

_DESCRIPTION = ROOT / "image"
_SECONDS = 1800


def product_image(tag: str, *, cache: Path | None = None) -> Path:
    """Return a tar file with the image `docker.io/local/polyfleet:tag`, built unless cached.

    It is found again by its description and the code; older ones of the tag are removed. Raises
    BuildError with the last lines of what the build printed.
    """
    folder = (cache or cache_directory(os.environ)) / "images"
    file = folder / f"polyfleet-{tag}-{_digest()}.tar"
    with exclusive(folder / ".lock"):
        if not file.exists():
            build_product_image(file, reference=f"{REFERENCE}:{tag}")
            for older in set(folder.glob(f"polyfleet-{tag}-*")) - {file, file.with_suffix(".log")}:
                older.unlink()
    return file


def build_product_image(file: Path, *, reference: str) -> str:
    """Build the image into `file` and return its digest."""
    if refusal := install_packages({"mmdebstrap": "mmdebstrap"}):
        raise BuildError(refusal)
    file.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix="polyfleet-image-"))
    try:
        log = file.with_suffix(".log")
        with StepProgress("Building Polyfleet's image"), log.open("wb") as output:
            # uv is one of the programs of our environment.
            path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
            done = subprocess.run(  # noqa: S603 - our own script, no shell
                [_DESCRIPTION / "build-root.sh", scratch / "root"],
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
                timeout=_SECONDS,
                env={**os.environ, "PATH": path},
            )
        if done.returncode:
            raise BuildError(f"the image cannot be built; {log} ends with:\n{last_lines(log)}")
        partial = scratch / "image.tar"
        digest = pack(scratch / "root", partial, reference=reference, settings=settings())
        shutil.move(partial, file)
    finally:
        shutil.rmtree(scratch)
    return digest


def settings() -> ImageSettings:
    """Return how the image is run, from image/settings.json."""
    content = json.loads((_DESCRIPTION / "settings.json").read_text())
    return ImageSettings(**content)


def _digest() -> str:
    files = [
        path
        for folder in (_DESCRIPTION, *(ROOT / name for name in CODE))
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ]
    whole = hashlib.sha256()
    for path in sorted(files):
        content = hashlib.sha256(path.read_bytes()).digest()
        whole.update(str(path.relative_to(ROOT)).encode() + b"\0" + content)
    return whole.hexdigest()[:16]
