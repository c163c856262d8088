# Everything here needs only make and Python 3.11 or newer; the rest comes with `make install`.

.DEFAULT_GOAL := help
SHELL := /bin/sh

VENV ?= .venv
STAMP := $(VENV)/.installed
PEERS := tests/peers/node_modules/.installed
# The first Python that is new enough; 3.11 first, because the pinned versions are tested on it.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3.14 python3 python; do \
	if $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then echo $$p; break; fi; done)

.PHONY: help install demo test check bench chaos clean peers schemas

help: ## show this list
	@sed -n 's/^\([a-z]*\):.*## /\1|/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "  make %-9s %s\n", $$1, $$2}'

install: $(STAMP) ## create .venv and install the gateway with pinned versions

$(STAMP): pyproject.toml constraints.txt
	@if [ -z "$(PYTHON)" ]; then \
		echo "make: no Python 3.11 or newer found: install one, or name it: make PYTHON=/path/to/python3.12" >&2; exit 1; fi
	@if ! $(VENV)/bin/python -c 'import pip' >/dev/null 2>&1; then \
		echo "$(PYTHON) -m venv $(VENV)"; \
		$(PYTHON) -m venv --clear $(VENV) || { \
			echo "make: $(PYTHON) cannot create a virtual environment: install its venv module (Debian: apt install python3-venv)" >&2; \
			exit 1; }; fi
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: install ## a fake plant and the gateway in one; pass options as ARGS="--port 8099"
	$(VENV)/bin/gateway demo $(ARGS)

test: install ## all tests; REQUIRE_PEERS=1 makes a skipped test a failure
	@if command -v npm >/dev/null 2>&1; then \
		$(MAKE) --no-print-directory peers || echo "make: tests with Node.js programs will be skipped" >&2; fi
	REQUIRE_PEERS=$(REQUIRE_PEERS) $(VENV)/bin/python -m pytest $(ARGS)

check: install ## style, types, the house's directions, and the tests of the docs
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(VENV)/bin/python -m pytest -q tests/docs

bench: install ## measure, and write bench.json
	$(VENV)/bin/python -m tests.bench $(ARGS)

chaos: install ## SIGKILL the daemon a hundred times at random moments (about half an hour)
	CHAOS_KILLS=100 $(VENV)/bin/python -m pytest --timeout=7200 tests/acceptance/test_stop_and_kill.py $(ARGS)

schemas: install ## write the JSON Schemas of config/ again
	$(VENV)/bin/python -c "from pathlib import Path; from gateway.documents import write_schemas; write_schemas(Path('config/schemas'))"

peers: $(PEERS) ## the Node.js programs that some tests meet

$(PEERS): tests/peers/package.json tests/peers/package-lock.json
	cd tests/peers && npm ci
	@touch $@

clean: ## remove what the other targets made, .venv too
	rm -rf $(VENV) tests/peers/node_modules build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis \
		.import_linter_cache demo-data bench.json
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
