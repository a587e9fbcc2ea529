import hashlib
import json
import os
import tarfile
from pathlib import Path

import pytest

from polyfleet.local.images import ImageSettings, pack

REFERENCE = "docker.io/local/sample:1"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "bin").mkdir(parents=True)
    (root / "bin" / "tool").write_text("#!/bin/sh\n")
    (root / "bin" / "tool").chmod(0o755)
    (root / "bin" / "alias").symlink_to("tool")
    (root / "notes").mkdir()
    (root / "notes" / "draft").write_text("draft")
    return root


def packed(root: Path, file: Path, **settings: object) -> str:
    return pack(root, file, reference=REFERENCE, settings=ImageSettings(**settings))  # type: ignore[arg-type]


def content(file: Path) -> dict[str, bytes]:
    with tarfile.open(file) as archive:
        streams = {entry.name: archive.extractfile(entry) for entry in archive}
        return {name: stream.read() for name, stream in streams.items() if stream}


def test_equal_content_gives_equal_bytes(root: Path, tmp_path: Path) -> None:
    first = packed(root, tmp_path / "one.tar")
    for path in root.rglob("*"):
        os.utime(path, (1, 1), follow_symlinks=False)
    (root / "bin" / "alias").unlink()
    (root / "bin" / "alias").symlink_to("tool")

    second = packed(root, tmp_path / "two.tar")

    assert first == second
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()


def test_other_content_gives_another_digest(root: Path, tmp_path: Path) -> None:
    first = packed(root, tmp_path / "one.tar")
    (root / "notes" / "draft").write_text("another")

    assert packed(root, tmp_path / "two.tar") != first


def test_the_digests_are_those_of_the_parts(root: Path, tmp_path: Path) -> None:
    digest = packed(root, tmp_path / "image.tar", command=["/bin/tool"], user="7:7")

    parts = content(tmp_path / "image.tar")
    (manifest,) = json.loads(parts["manifest.json"])
    configuration = parts[manifest["Config"]]
    layer = parts[manifest["Layers"][0]]
    assert manifest["RepoTags"] == [REFERENCE]
    assert digest == f"sha256:{hashlib.sha256(configuration).hexdigest()}"
    told = json.loads(configuration)
    assert told["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(layer).hexdigest()}"]
    assert (told["config"]["Cmd"], told["config"]["User"]) == (["/bin/tool"], "7:7")


def test_modes_and_links_are_kept_and_owners_are_not(root: Path, tmp_path: Path) -> None:
    packed(root, tmp_path / "image.tar")

    parts = content(tmp_path / "image.tar")
    layer = tmp_path / "layer.tar"
    layer.write_bytes(next(data for name, data in parts.items() if name.endswith("layer.tar")))
    with tarfile.open(layer) as archive:
        entries = {entry.name: entry for entry in archive}
    assert list(entries) == ["bin", "bin/alias", "bin/tool", "notes", "notes/draft"]
    assert entries["bin/tool"].mode == 0o755
    assert entries["bin/alias"].linkname == "tool"
    assert {(entry.uid, entry.gid, entry.mtime) for entry in entries.values()} == {(0, 0, 0)}
