"""docs/security.md claims nothing that no test holds."""

import re
from pathlib import Path

from polyfleet.local.install import ROOT

PAGE = ROOT / "docs" / "security.md"

_NAMED = re.compile(r"`(test_[a-z0-9_]+)`")
_DEFINED = re.compile(r"^\s*(?:async )?def (test_[a-z0-9_]+)", re.MULTILINE)


def defined() -> set[str]:
    tests = Path(__file__).resolve().parents[1]
    return {name for file in tests.rglob("*.py") for name in _DEFINED.findall(file.read_text())}


def test_every_test_that_a_claim_names_is_there() -> None:
    assert set(_NAMED.findall(PAGE.read_text())) <= defined()


def test_every_claim_names_a_test() -> None:
    _, _, claims = PAGE.read_text().partition("## Claims")
    claims, _, _ = claims.partition("## Not claimed")
    rows = [line for line in claims.splitlines() if line.startswith("| ") and "held by" not in line]
    assert rows
    assert all(_NAMED.search(row) for row in rows)
