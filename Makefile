# The two that matter: `make up` brings up a whole fleet on this machine, `make test` checks all.

PYTHON ?= python3
FUZZ_SECONDS ?= 120
FAULT_SEEDS ?= 7 11 23 42
TEST_PROCESSES ?= 2
BIN := .venv/bin
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-annotate --no-emit-index-url --custom-compile-command "make lock"

.DEFAULT_GOAL := help
.PHONY: help up down status test programs e2e fuzz faults lint format crds docs routes matrix rights lock bench

help:  ## show what there is
	@awk -F ':.*## ' '/^[a-z.]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: .venv/.installed  ## bring up Kubernetes, operator, facade and a sample fleet; keep what runs
	@$(BIN)/python -m polyfleet.local up

down:  ## stop what `make up` started and remove its data
	@if [ -x $(BIN)/python ]; then $(BIN)/python -m polyfleet.local down; fi

status: .venv/.installed  ## show what `make up` started
	@$(BIN)/python -m polyfleet.local status --words-only

test: lint programs  ## check style, types and imports, then run the whole suite on a real kube-apiserver
	@$(BIN)/pytest --numprocesses $(TEST_PROCESSES) --dist worksteal

programs: .venv/.installed  ## build the programs that the tests and a local cluster run, once
	@$(BIN)/python -m polyfleet.local build

fuzz: .venv/.installed  ## send every dialect FUZZ_SECONDS of random requests from each caller
	POLYFLEET_FUZZ_SECONDS=$(FUZZ_SECONDS) $(BIN)/pytest tests/fuzz --timeout=0

faults: .venv/.installed  ## kill processes at the moments of each of FAULT_SEEDS, cut and freeze the API server
	POLYFLEET_FAULT_SEEDS="$(FAULT_SEEDS)" $(BIN)/pytest tests/faults

e2e: .venv/.installed  ## run applications and the chart on a cluster with a node (Linux, root)
	@$(BIN)/pytest tests/e2e

lint: .venv/.installed  ## check style, format, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/.installed  ## format the code and fix what can be fixed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

crds: .venv/.installed  ## write the CustomResourceDefinitions of the chart anew
	$(BIN)/python -m polyfleet.crds.generate

docs: .venv/.installed  ## write docs/settings.md and the chart's schema of settings anew
	$(BIN)/python -m polyfleet.cli.settings_page
	$(BIN)/python -m polyfleet.cli.values_schema

routes: .venv/.installed  ## write docs/routes.md from what the tests of the facade see
	$(BIN)/pytest --write-routes tests/dialects tests/api tests/fuzz

matrix: .venv/.installed  ## write docs/matrix.md from the tables of tests/matrix
	$(BIN)/python -m tests.matrix.page

rights: .venv/.installed  ## run what uses the API server, and tell rights of the Roles that nobody needs
	$(BIN)/pytest --check-rights --numprocesses $(TEST_PROCESSES) --dist worksteal tests/dialects tests/api tests/operator tests/kube/transactions

lock: .venv/.installed  ## pin the dependencies of pyproject.toml, with hashes
	$(COMPILE) pyproject.toml --extra tracing --group local --group test --group lint --group bootstrap -o requirements.lock
	$(COMPILE) --group go -o local/go-toolchain.lock
	$(COMPILE) pyproject.toml --extra tracing --constraint requirements.lock -o image/requirements.lock

bench: .venv/.installed  ## measure
	$(BIN)/python -m benchmarks

# uv comes by pip, everything else by uv; both take nothing that requirements.lock has no hash of.
.venv/.installed: requirements.lock pyproject.toml
	@[ -x $(BIN)/pip ] || { echo "Making the Python environment"; $(PYTHON) -m venv .venv; }
	@awk '/^[^ #]/ {wanted = /^uv==/} wanted' requirements.lock > .venv/uv.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .venv/uv.lock
	@$(BIN)/uv pip sync --python $(BIN)/python --require-hashes requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@
