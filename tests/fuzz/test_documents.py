"""Every dialect answers as its OpenAPI document says, whatever it is sent.

The requests are made by Schemathesis from the document that the running facade serves: the same
ones in each run. `make fuzz` goes on for some minutes for each dialect and caller, with others
each time.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.facade_fixtures import FacadeServer
from tests.fuzz.callers import CALLERS, DIALECTS, authorization, token_of
from tests.fuzz.known import NAMES, SERIALS

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
    "unsupported_method",
)
EXAMPLES = {"administrator": 3, "reader": 2, "stranger": 1, "device": 2}
"""How many requests of a kind an operation gets."""
WHOLE = ("--phases", "examples,coverage,fuzzing,stateful")
LONG = ("--phases", "examples,coverage,fuzzing")
"""What an administrator gets, as far as time allows."""
SHORT = ("--phases", "fuzzing")
"""What most callers get: they are turned away where an administrator is not."""
WITHOUT_NODE = {"deis": ("--exclude-path", "/v1/apps/{app}/run")}
"""What can only answer 503 where no pod ever runs; the hostile requests are sent to it, too."""
DETERMINISTIC = ("--generation-deterministic",)

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
SECONDS = "POLYFLEET_FUZZ_SECONDS"
"""An environment variable: how long to go on for each dialect and caller."""


def configuration(folder: Path) -> Path:
    """Write the fuzzer's configuration: every other name and number is of something there."""
    known = json.dumps([*NAMES, *map(str, SERIALS)])
    file = folder / "schemathesis.toml"
    file.write_text(
        f"""
[dictionaries]
known = {{ values = {known} }}

[generation.dictionaries]
string = {{ dictionary = "known", probability = 0.5 }}
integer = {{ dictionary = "known", probability = 0.5 }}

[warnings]
enabled = false
"""
    )
    return file


def fuzz(
    document: str, dialect: str, token: str, folder: Path, *options: str
) -> subprocess.CompletedProcess[str]:
    """Run Schemathesis on a document; it ends with 0 if all answers fit it."""
    return subprocess.run(
        [
            SCHEMATHESIS,
            *("--config-file", configuration(folder), "--no-color", "run", document),
            *("--header", f"Authorization: {authorization(dialect, token)}"),
            *("--checks", ",".join(CHECKS), "--continue-on-failure", "--no-shrink"),
            *options,
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("dialect", sorted(DIALECTS))
def test_a_dialect_answers_as_its_document_says(
    dialect: str, caller: str, server: FacadeServer, tmp_path: Path
) -> None:
    seconds = os.environ.get(SECONDS)
    if seconds is not None:
        amount: tuple[str, ...] = (*WHOLE, "--max-time", seconds, "--generation-database", "none")
    else:
        phases = LONG if caller == "administrator" else SHORT
        amount = (*phases, *DETERMINISTIC, "--max-examples", str(EXAMPLES[caller]))
    document = f"{server.url}{DIALECTS[dialect]}"
    amount += WITHOUT_NODE.get(dialect, ())
    done = fuzz(document, dialect, token_of(server, dialect, caller), tmp_path, *amount)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
def test_every_reference_in_a_document_leads_somewhere(dialect: str, server: FacadeServer) -> None:
    with server.client() as client:
        document = client.get(DIALECTS[dialect]).raise_for_status().json()
    schemas = document.get("components", {}).get("schemas", {})
    assert references(document) <= {f"#/components/schemas/{name}" for name in schemas}


def references(value: object) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*map(references, value.values()))
    return set().union(*map(references, value)) if isinstance(value, list) else set()


@pytest.mark.parametrize("lie", ["status", "type"])
def test_an_answer_that_its_document_does_not_promise_is_found(
    lie: str, server: FacadeServer, tmp_path: Path
) -> None:
    with server.client() as client:
        document = client.get(DIALECTS["rdfm"]).raise_for_status().json()
    path = "/api/v1/packages"
    answers = document["paths"][path]["get"]["responses"]
    if lie == "status":
        del answers["200"]
    else:
        answers["200"]["content"]["application/json"]["schema"] = {"type": "integer"}
    file = tmp_path / "lies.json"
    file.write_text(json.dumps(document))
    token = token_of(server, f"lies-{lie}", "administrator")
    chosen = ("--include-path", path, "--include-method", "GET", "--url", server.url)
    done = fuzz(str(file), "rdfm", token, tmp_path, *SHORT, *DETERMINISTIC, *chosen)
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"GET {path}" in done.stdout
