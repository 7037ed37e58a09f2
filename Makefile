# Every target installs what it lacks (scripts/install.sh says what, before it does) and stops at
# the first step that fails. CI runs `make test`, nothing else.

.DEFAULT_GOAL := help
.PHONY: help demo check test test-long faults bench lock format clean
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

PYTHON := .venv/bin/python
PYTEST := $(PYTHON) -m pytest

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | sort | awk -F'\t' '{printf "  make %-10s %s\n", $$1, $$2}'

demo:  ## broker, camera and viewer on this machine (DEMO_SOURCE=film.mp4|picamera|usb|rtsp://..., DEMO_SECONDS=10)
	@scripts/install.sh demo
	@$(PYTHON) scripts/demo.py

check:  ## lint, types, unit tests on the source and on the built wheel (under two minutes, no root)
	@scripts/install.sh check
	@$(PYTHON) scripts/check.py

test:  ## check, then the tests with real brokers and real programs (8 minutes)
	@scripts/install.sh test
	@$(PYTHON) scripts/check.py
	@echo "== repository, integration"
	@$(PYTEST) -n 3 --dist loadfile -q -m "not long" tests/repo tests/integration
	@echo "== end to end, faults"
	@$(PYTEST) -n 3 --dist load -q -m "not long and not alone" tests/e2e tests/faults
	@echo "== end to end, faults: those that count, one at a time"
	@$(PYTEST) -n 2 --dist load -q -m "alone and not long" tests/e2e tests/faults

test-long:  ## everything in test, and the true-time faults, soaks and fuzzing
	@scripts/install.sh test
	@$(PYTHON) scripts/check.py
	@echo "== all tests, the long ones included"
	@$(PYTEST) -q tests

faults:  ## the matrix of faults alone
	@scripts/install.sh test
	@$(PYTEST) -q tests/faults

bench:  ## figures, and ratios to stock aiortc in the same run
	@scripts/install.sh test
	@$(PYTHON) -m bench

lock:  ## re-make the four lock files from pyproject.toml
	@scripts/install.sh check
	@$(PYTHON) scripts/lock.py

format:  ## rewrite the code as the formatter wants it
	@scripts/install.sh check
	@.venv/bin/ruff check --fix --exit-zero --quiet .
	@.venv/bin/ruff format .

clean:  ## remove what the targets above made, .venv included
	@rm -rf .venv .demo build dist tests/e2e/browser/node_modules .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .coverage
