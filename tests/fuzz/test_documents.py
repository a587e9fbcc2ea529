"""Every dialect answers as its OpenAPI document says, whatever it is sent.

The requests are made by Schemathesis from the document that the running facade serves: the same
ones in each run. `make fuzz` sends more, and others each time.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from polyfleet.api.app import DOCUMENTS
from tests.facade_fixtures import FacadeServer
from tests.fuzz.callers import PEOPLE, authorization
from tests.fuzz.known import NAMES, SERIALS

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
    "unsupported_method",
)
EXAMPLES = {"administrator": 8, "reader": 2, "stranger": 2}
"""How many requests an operation gets beside those that cover its parameters' limits."""

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
MINUTES = "POLYFLEET_FUZZ_MINUTES"
"""An environment variable: how long to go on for each dialect and caller."""


def configuration(folder: Path) -> Path:
    """Write the fuzzer's configuration: it often asks for what is there."""
    known = {"dictionary": "known", "probability": 0.5}
    file = folder / "schemathesis.toml"
    file.write_text(
        f"""
[dictionaries]
known = {{ values = {json.dumps([*NAMES, *map(str, SERIALS)])} }}

[generation.dictionaries]
string = {{ dictionary = "known", probability = {known["probability"]} }}
integer = {{ dictionary = "known", probability = {known["probability"]} }}

[warnings]
enabled = false
"""
    )
    return file


@pytest.mark.parametrize("caller", PEOPLE)
@pytest.mark.parametrize("dialect", sorted(DOCUMENTS))
def test_a_dialect_answers_as_its_document_says(
    dialect: str, caller: str, server: FacadeServer, tmp_path: Path
) -> None:
    token = server.user_token(f"{dialect}-{caller}", **PEOPLE[caller])
    minutes = os.environ.get(MINUTES)
    amount = (
        ["--max-time", str(round(float(minutes) * 60)), "--generation-database", "none"]
        if minutes
        else ["--max-examples", str(EXAMPLES[caller]), "--generation-deterministic"]
    )
    done = subprocess.run(
        [
            SCHEMATHESIS,
            *("--config-file", configuration(tmp_path), "--no-color", "run"),
            f"{server.url}{DOCUMENTS[dialect]}",
            *("--header", f"Authorization: {authorization(dialect, token)}"),
            *("--checks", ",".join(CHECKS), "--continue-on-failure"),
            "--no-shrink",
            *amount,
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout + done.stderr
