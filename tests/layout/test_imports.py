"""The layout that ARCHITECTURE.md promises, enforced."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("operator", "api", "crds", "fleet", "kube", "local", "cli", "simulator")
LARGEST_MODULE = 500


def test_imports_go_one_way() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run(
        [linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )
    assert result.returncode == 0, result.stdout


def imports_of(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def dialects() -> list[str]:
    return sorted(p.name for p in (ROOT / "api" / "dialects").iterdir() if any(p.glob("*.py")))


def test_no_dialect_imports_another() -> None:
    found = dialects()
    assert found
    for dialect in found:
        for path in (ROOT / "api" / "dialects" / dialect).rglob("*.py"):
            others = {
                name
                for name in imports_of(path)
                if name.startswith("polyfleet.api.dialects.") and name.split(".")[3] != dialect
            }
            assert not others, f"{path.relative_to(ROOT)} imports {others}"


def test_only_one_module_imports_the_official_client_on_the_way_of_a_request() -> None:
    users = {
        str(path.relative_to(ROOT))
        for package in ("operator", "api", "kube", "fleet", "crds")
        for path in (ROOT / package).rglob("*.py")
        if any(name.split(".")[0] == "kubernetes" for name in imports_of(path))
    }
    assert users <= {"kube/configuration.py"}


@pytest.mark.parametrize("package", PACKAGES)
def test_top_level_folders_are_namespace_packages(package: str) -> None:
    assert not (ROOT / package / "__init__.py").exists()
    link = ROOT / "src" / "polyfleet" / package
    assert link.is_symlink()
    assert link.resolve() == ROOT / package


def test_our_operator_folder_does_not_hide_the_standard_library() -> None:
    code = "import operator, collections; print(operator.add(1, 1))"
    result = subprocess.run(
        [sys.executable, "-S", "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert result.stdout.strip() == "2"


@pytest.mark.parametrize("package", PACKAGES)
def test_a_module_can_be_held_in_the_head(package: str) -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text().splitlines())
        for path in (ROOT / package).rglob("*.py")
    }
    assert not {name: lines for name, lines in lengths.items() if lines > LARGEST_MODULE}
