"""The two ways to the image say the same, and take nothing that is not pinned."""

import json
import re
import shlex
from pathlib import Path

import pytest

from polyfleet.local.install import ROOT
from polyfleet.local.product_image import CODE

DOCKERFILE = (ROOT / "Dockerfile").read_text()
SCRIPT = (ROOT / "image" / "build-root.sh").read_text()
SETTINGS = json.loads((ROOT / "image" / "settings.json").read_text())


def instructions(name: str) -> list[str]:
    joined = DOCKERFILE.replace("\\\n", " ")
    return re.findall(rf"^{name} +(.*)$", joined, re.MULTILINE)


def pins(file: Path) -> set[str]:
    return set(re.findall(r"^([\w.-]+==\S+)", file.read_text(), re.MULTILINE))


def test_how_it_is_run_is_the_same_with_docker_and_without() -> None:
    (environment,) = instructions("ENV")
    assert dict(pair.split("=", 1) for pair in shlex.split(environment)) == SETTINGS["environment"]
    (labels,) = instructions("LABEL")
    assert dict(pair.split("=", 1) for pair in shlex.split(labels)) == SETTINGS["labels"]
    assert json.loads(instructions("CMD")[-1]) == SETTINGS["command"]
    assert instructions("USER") == [SETTINGS["user"]]
    assert instructions("WORKDIR")[-1] == SETTINGS["directory"]


def test_the_base_is_pinned_and_nothing_of_it_remains() -> None:
    first, last = instructions("FROM")

    assert re.fullmatch(r"debian:[\w-]+@sha256:[0-9a-f]{64} AS build", first)
    assert last == "scratch"


@pytest.mark.parametrize("folder", CODE)
def test_every_folder_of_the_code_is_in_both(folder: str) -> None:
    assert f"{folder} {folder}" in instructions("COPY")
    assert f"!{folder}" in (ROOT / ".dockerignore").read_text().split()
    (parts,) = re.findall(r"^for part in (.*); do$", SCRIPT, re.MULTILINE)
    assert folder in parts.split()


def test_all_packages_but_those_of_this_machine_are_in_the_image() -> None:
    links = {path.name for path in (ROOT / "src" / "polyfleet").iterdir() if path.is_symlink()}

    assert set(CODE) == links - {"local"}


def test_the_image_has_what_the_tests_have() -> None:
    ours = pins(ROOT / "image" / "requirements.lock")

    assert len(ours) > 30
    assert ours <= pins(ROOT / "requirements.lock")


def test_every_requirement_of_the_image_has_a_hash() -> None:
    text = (ROOT / "image" / "requirements.lock").read_text()

    requirements = re.split(r"\n(?=\S)", text)
    assert all("--hash=sha256:" in block for block in requirements if "==" in block)
