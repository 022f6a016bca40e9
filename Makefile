# Every way to build, run and check this project; `make` alone lists them.
# Nothing is installed outside .venv, and nothing but Python 3.11+ and make is needed.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11; do \
	"$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$name"; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# The brokers of tests live briefly: Java's quick compiler costs them half as much processor time as its thorough one.
PYTEST := JDK_JAVA_OPTIONS="$${JDK_JAVA_OPTIONS--XX:TieredStopAtLevel=1}" $(BIN)/pytest -q
# Test files are shared out among this many processes, each with servers of its own.
TEST_PROCESSES ?= 3
# What `make test` runs; the rest has targets of its own.
SUITE := -m "not faults and not data and not browser and not dashboards"

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile

# -- install ---------------------------------------------------------------------------------------------------------

.PHONY: install
install: $(INSTALLED) ## make .venv with everything pinned in requirements.lock, and the `personalize` command

$(BIN)/python:
	@if [ -z "$(PYTHON)" ]; then \
		echo "Python 3.11 or newer is needed and was not found. Install it, or name it: make install PYTHON=/path/to/python3" >&2; exit 1; fi
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "$(PYTHON) is older than Python 3.11. Name a newer one: make install PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot make virtual environments: ensurepip is missing. On Debian or Ubuntu: apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(INSTALLED): requirements.lock pyproject.toml | $(BIN)/python
	@awk '/^[^ #]/ {wanted = /^uv==/} wanted' requirements.lock > $(VENV)/uv.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $(VENV)/uv.txt
	$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: lock
lock: $(INSTALLED) ## resolve requirements.in into requirements.lock anew
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
		--no-emit-find-links --output-file requirements.lock requirements.in

# Compiled once, before several processes would each compile the same; the result is cached beside the sources.
KERNELS := $(VENV)/.kernels
$(KERNELS): $(INSTALLED) $(wildcard models/recommendation/*.py models/learner/*.py projections/recommender/*.py)
	@$(BIN)/python -c 'from projections.recommender.warm_up import warm_up; warm_up()'
	@touch $@

.PHONY: kernels
kernels: $(KERNELS) ## compile the numeric kernels (a minute after an installation or a change)

.PHONY: start-up-cache
start-up-cache: $(INSTALLED) ## fetch Kafka's jars, and let Java remember how it starts (a running stack does so by itself)
	@$(BIN)/python -m personalize.stack.start_up_cache

# -- run -------------------------------------------------------------------------------------------------------------

.PHONY: run
run: $(INSTALLED) ## everything at once: servers, worker, API, real demo traffic; Ctrl-C stops all
	@$(BIN)/personalize run

.PHONY: up
up: $(INSTALLED) ## start Kafka, Postgres and Redis in the background
	@$(BIN)/personalize up

.PHONY: down
down: $(INSTALLED) ## stop them; the data stay in .personalize/
	@$(BIN)/personalize down

.PHONY: doctor
doctor: $(INSTALLED) ## check this machine, and print the fix for what is missing
	@$(BIN)/personalize doctor

# -- test ------------------------------------------------------------------------------------------------------------

.PHONY: test
test: $(KERNELS) ## all tests but the slow fault runs and those that need the measuring data
	@$(PYTEST) -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder $(SUITE)

.PHONY: test-again
test-again: $(INSTALLED) ## those tests that failed last, one after the other
	@$(PYTEST) --last-failed --last-failed-no-failures none $(SUITE)

.PHONY: check
check: $(INSTALLED) ## ruff, formatting, mypy --strict, and who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: format
format: $(INSTALLED) ## let ruff put the formatting right
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: laws
laws: $(INSTALLED) ## the laws that every fold obeys, with more examples
	@$(PYTEST) --hypothesis-profile=thorough -m "not servers and not faults and not data" tests

.PHONY: integration
integration: $(INSTALLED) ## the tests that need real servers
	@$(PYTEST) -m "servers and not faults and not browser and not dashboards"

.PHONY: hostile
hostile: $(INSTALLED) ## 10,000 hostile requests: no 5xx, no leak, memory flat
	@PERSONALIZE_HOSTILE=10000 $(PYTEST) -s tests/api/test_hostile_requests.py

.PHONY: faults
faults: $(INSTALLED) ## kill, stop and restart real processes; compare with a reference fold (slow)
	@$(PYTEST) -m faults tests

.PHONY: faults-short
faults-short: $(INSTALLED) ## one fault run and one planted bug, as CI does
	@$(PYTEST) -n 2 -m faults tests/faults -k "short_run_is_exact and duplicates or planted_bug and commit_before_write"

.PHONY: contract
contract: $(INSTALLED) ## try every route against the OpenAPI document, thousands of cases (a few minutes)
	@PERSONALIZE_CONTRACT_EXAMPLES=$${PERSONALIZE_CONTRACT_EXAMPLES:-20} $(PYTEST) -s tests/api/test_contract.py tests/api/test_documented_examples.py

.PHONY: golden
golden: $(INSTALLED) ## write the expected tables of the fixed log anew; review the difference
	@PERSONALIZE_GOLDEN=write $(PYTEST) tests/golden; git --no-pager diff --stat tests/golden

.PHONY: dashboards
dashboards: $(KERNELS) ## run every query of every Grafana panel on a live engine, and test the alert rules
	@$(BIN)/personalize dashboards check

.PHONY: observe
observe: $(KERNELS) ## both at once, on one engine: the live page and every query of the dashboards, as CI does
	@$(PYTEST) -m "browser or dashboards" tests/live

.PHONY: browser
browser: $(KERNELS) ## the live page in Debian's chromium: every part, round trip, accessibility (apt install chromium)
	@$(PYTEST) -m browser tests/live

.PHONY: data
data: $(INSTALLED) ## the tests that need the measuring data sets (PERSONALIZE_DATA)
	@$(PYTEST) -m "data and not faults" tests

# -- measure and generate --------------------------------------------------------------------------------------------

.PHONY: config-docs
config-docs: $(INSTALLED) ## write .env.example and docs/configuration.md from the settings
	@$(BIN)/python -m personalize.settings_reference

.PHONY: schemas
schemas: $(INSTALLED) ## write the JSON Schema files of all messages, the AsyncAPI and OpenAPI documents
	@$(BIN)/python -m schemas.jsonschema
	@$(BIN)/python -m api.contract

.PHONY: bench
bench: $(INSTALLED) ## how to measure: lists the benches
	@$(BIN)/personalize bench --help
