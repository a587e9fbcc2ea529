"""Writes the CustomResourceDefinitions: `python -m polyfleet.crds.generate [--check]`."""

import argparse
import sys
from pathlib import Path

import yaml

from polyfleet.crds.access_token import AccessToken
from polyfleet.crds.application import Application
from polyfleet.crds.base import GROUP, CustomResource
from polyfleet.crds.build import Build
from polyfleet.crds.claim import Claim
from polyfleet.crds.command import Command
from polyfleet.crds.device import Device
from polyfleet.crds.device_group import DeviceGroup
from polyfleet.crds.domain import Domain
from polyfleet.crds.enrollment import Enrollment
from polyfleet.crds.key import Key
from polyfleet.crds.package import Package
from polyfleet.crds.release import Release
from polyfleet.crds.rollout import Rollout
from polyfleet.crds.user import User

KINDS: tuple[type[CustomResource], ...] = (
    Application,
    Device,
    DeviceGroup,
    Package,
    Rollout,
    Enrollment,
    Command,
    User,
    AccessToken,
    Build,
    Release,
    Domain,
    Key,
    Claim,
)
FOLDER = Path("charts/polyfleet/crds")
_HEADER = "# Made by `make crds` from the models in crds/: change those.\n"


def rendered() -> dict[str, str]:
    """Return the text of each file by its name; the same models give the same text."""
    return {f"{GROUP}_{kind.names.plural}.yaml": _text(kind) for kind in KINDS}


def stale(folder: Path) -> list[str]:
    """Return the names of the files in the folder that are missing, differ or are left over."""
    wanted = rendered()
    present = {path.name: path.read_text() for path in folder.glob("*.yaml")}
    return sorted(name for name in wanted | present if wanted.get(name) != present.get(name))


def write(folder: Path) -> None:
    """Write all files, and remove those of kinds that are gone."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = rendered()
    for name, text in wanted.items():
        (folder / name).write_text(text)
    for path in folder.glob("*.yaml"):
        if path.name not in wanted:
            path.unlink()


def _text(kind: type[CustomResource]) -> str:
    return _HEADER + yaml.safe_dump(
        kind.definition(), sort_keys=False, width=100, allow_unicode=True
    )


def main() -> int:
    """Write the files, or say which are out of date; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail on a difference")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the files are")
    arguments = parser.parse_args()
    if arguments.check:
        names = stale(arguments.folder)
        if names:
            sys.stderr.write(f"out of date (run `make crds`): {', '.join(names)}\n")
        return 1 if names else 0
    write(arguments.folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
