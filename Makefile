# One way in for people and for CI. `make help` lists the targets; demo and test set everything up by themselves.
SHELL := bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
ARGS ?=
PYTEST_ARGS ?=
# pytest's exit code 5, nothing selected: PYTEST_ARGS may name a folder that has none of one of the two kinds.
NONE_IS_FINE = || test $$? -eq 5

.DEFAULT_GOAL := help
.PHONY: help install demo test test-long check faults bench security clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'
	@echo '  Options: ARGS="…" for demo, PYTEST_ARGS="…" for the tests, PYTHON=… for another interpreter (3.11 or newer).'

# Installed again only when the list of packages changes; a stopped install leaves no stamp and starts over.
$(STAMP): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "chejian: no '$(PYTHON)' here; install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3.12" >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "chejian: $$($(PYTHON) --version) is too old; 3.11 or newer is needed: make PYTHON=/path/to/python3.12" >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "chejian: $(PYTHON) cannot make virtual environments; on Debian or Ubuntu: apt-get install python3-venv" >&2; exit 2; }
	@echo "chejian: installing into $(VENV) (once; a minute or two) …"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]' -c constraints.txt || { \
	  echo "chejian: the installation failed; the reason stands above. Is a package index reachable?" >&2; exit 3; }
	@touch $@
	@echo "chejian: installed"

install: $(STAMP) ## the virtual environment with everything in it

demo: $(STAMP) ## the whole line on simulated equipment; ARGS="--seconds 60 --no-web --json out.json"
	@$(BIN)/chejian demo $(ARGS)

# The whole line has the machine to itself: its bars are about time. Everything else shares two cores file by file.
test: $(STAMP) ## unit, contract, integration, line and tamper tests; under ten minutes
	$(BIN)/pytest -m "not long and not line" -n 2 --dist loadfile $(PYTEST_ARGS) $(NONE_IS_FINE)
	$(BIN)/pytest -m "line and not long" $(PYTEST_ARGS) $(NONE_IS_FINE)

test-long: $(STAMP) ## the tests marked long: many kills, many seeds
	$(BIN)/pytest -m "long and not line" -n 2 --dist loadfile $(PYTEST_ARGS) $(NONE_IS_FINE)
	$(BIN)/pytest -m "long and line" $(PYTEST_ARGS) $(NONE_IS_FINE)

check: $(STAMP) ## lint, types, import contracts, compose file
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
	@tests=$$(find tests -name 'test_*.py' | wc -l); test "$$tests" -gt 0 || { echo "no test files"; exit 1; }; echo "test files: $$tests"

faults: $(STAMP) ## the fault tests alone: cut, kill, full, slow
	@test -d tests/faults || { echo "chejian: no tests/faults in this checkout"; exit 2; }
	$(BIN)/pytest tests/faults $(PYTEST_ARGS)

bench: $(STAMP) ## every benchmark, one after the other; each prints a table
	@found=0; for file in benchmarks/[a-z]*.py; do test -e "$$file" || continue; found=1; \
	  module=$${file%.py}; echo "== $$file"; $(BIN)/python -m "$${module//\//.}" || exit 1; done; \
	  test $$found = 1 || { echo "chejian: no benchmarks in this checkout"; exit 2; }

security: $(STAMP) ## ruff's security rules alone, and the places where secrets may not be
	$(BIN)/ruff check --select S .
	@! git grep -nIE 'BEGIN ([A-Z]+ )?PRIVATE KEY' -- . ':!tests' ':!Makefile' || { echo "chejian: a private key is in the tree" >&2; exit 1; }

clean: ## everything that make and the demo have made; keeps your configuration
	rm -rf $(VENV) build dist run *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
