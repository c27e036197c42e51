# The two commands of a fresh clone: `make demo` and `make test`. Both make .venv first.

PYTHON ?= python3
BIN := .venv/bin
SERVICES := postfix dovecot-imapd postgresql swaks libnet-ssleay-perl openssl systemd chromium faketime gcc libc6-dev

.PHONY: install demo test test-services lint bench fuzz check

install: .venv/installed

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch .venv/installed

demo: install
	$(BIN)/python -m maild.demo $(if $(KEEP),--keep)

# a file's tests stay together, for they share what is slow to start; in the order of the folders, for the longest come first
test: install
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

# What some tests need beyond PyPI; without it they are skipped by name.
test-services:
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(SERVICES)

lint: install
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: install
	$(BIN)/python -m bench

fuzz: install
	$(BIN)/python -m tests.fuzz
