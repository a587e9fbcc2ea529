"""Container images without a container engine: a file system and its settings, packed as a tar.

The tar is the one that `docker save` writes. Equal content gives equal bytes: entries are in
order, times are those of 1970, and owners are numbers. Every file belongs to root, as is right
for what a container only reads.
"""

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

_TIME = 0
_CREATED = "1970-01-01T00:00:00Z"
_PLATFORM = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, slots=True)
class ImageSettings:
    """What an image tells about how it is run; the names are those of its configuration."""

    entrypoint: Sequence[str] = ()
    command: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    """Numbers, `UID:GID`: an orchestrator cannot tell from a name whether it is root."""
    directory: str = "/"
    labels: Mapping[str, str] = field(default_factory=dict)


def pack(root: Path, file: Path, *, reference: str, settings: ImageSettings) -> str:
    """Write the tree below `root` as the image `reference` to `file`; return its digest.

    `reference` is a whole name, such as `docker.io/local/pause:1`.
    """
    layer = file.with_name(f"{file.name}.layer")
    try:
        layer_digest = _write_layer(root, layer)
        configuration = json.dumps(_configuration(settings, layer_digest), sort_keys=True).encode()
        digest = hashlib.sha256(configuration).hexdigest()
        manifest = [
            {
                "Config": f"{digest}.json",
                "RepoTags": [reference],
                "Layers": [f"{layer_digest}/layer.tar"],
            }
        ]
        with tarfile.open(file, "w", format=tarfile.GNU_FORMAT) as archive:
            _add_bytes(archive, "manifest.json", json.dumps(manifest).encode())
            _add_bytes(archive, f"{digest}.json", configuration)
            entry = tarfile.TarInfo(f"{layer_digest}/layer.tar")
            entry.size = layer.stat().st_size
            with layer.open("rb") as content:
                archive.addfile(_plain(entry), content)
    finally:
        layer.unlink(missing_ok=True)
    return f"sha256:{digest}"


def architecture(machine: str) -> str:
    """Return the name that images have for a machine's architecture."""
    return _PLATFORM.get(machine, machine)


def _configuration(settings: ImageSettings, layer_digest: str) -> dict[str, Any]:
    return {
        "created": _CREATED,
        "architecture": architecture(os.uname().machine),
        "os": "linux",
        "config": {
            "Entrypoint": list(settings.entrypoint) or None,
            "Cmd": list(settings.command) or None,
            "Env": [f"{name}={value}" for name, value in sorted(settings.environment.items())],
            "User": settings.user,
            "WorkingDir": settings.directory,
            "Labels": dict(settings.labels),
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer_digest}"]},
        "history": [{"created": _CREATED, "created_by": "polyfleet"}],
    }


def _write_layer(root: Path, file: Path) -> str:
    with file.open("w+b") as stream:
        with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as archive:
            _add_tree(archive, root, "")
        stream.seek(0)
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _add_tree(archive: tarfile.TarFile, root: Path, prefix: str) -> None:
    for path in sorted(root.iterdir(), key=lambda path: path.name):
        name = f"{prefix}{path.name}"
        entry = tarfile.TarInfo(name)
        status = path.lstat()
        entry.mode = status.st_mode & 0o7777
        if path.is_symlink():
            entry.type, entry.linkname, entry.mode = tarfile.SYMTYPE, str(path.readlink()), 0o777
            archive.addfile(_plain(entry))
        elif path.is_dir():
            entry.type = tarfile.DIRTYPE
            archive.addfile(_plain(entry))
            _add_tree(archive, path, f"{name}/")
        elif path.is_file():
            entry.size = status.st_size
            with path.open("rb") as content:
                archive.addfile(_plain(entry), content)
        # Devices and sockets are made by whoever runs the container.


def _add_bytes(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    stream: IO[bytes] = io.BytesIO(content)
    archive.addfile(_plain(entry), stream)


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.mtime = _TIME
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry
