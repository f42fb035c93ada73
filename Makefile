# Needs Python 3.11+ with its venv module, and package registries. Nothing else.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
KILLS  ?= 200
SECONDS ?= 60

.PHONY: all check demo up test oracles browser soak fuzz bench docs airgap wheel lock clean

## check: format, lint, types, layers, fast tests
check: $(VENV)/dev
	$(BIN)/ruff format --check src tests bench tools
	$(BIN)/ruff check src tests bench tools
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tools/tidy.py
	$(BIN)/pytest -n 2 tests/unit

## demo: set everything up and run the main job
demo: $(VENV)/run
	$(BIN)/tally demo $(ARGS)

## up: an empty, persistent ledger, served
up: $(VENV)/run
	$(BIN)/tally up $(ARGS)

## test: everything that needs Python alone
test: $(VENV)/dev
	$(BIN)/ruff format --check src tests bench tools
	$(BIN)/ruff check src tests bench tools
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tools/tidy.py
	$(BIN)/pytest -n 2 -m "not oracle and not soak and not browser" --cov --cov-report=term --cov-fail-under=100

## oracles: install foreign verifiers, and ask them
oracles: $(VENV)/dev
	sh tests/oracles/setup.sh
	TALLYSTICK_ORACLES=required $(BIN)/pytest -n 2 -m oracle

## browser: install Chromium where it can be, and approve by passkey in it
browser: $(VENV)/browser
	sh tests/browser/setup.sh
	TALLYSTICK_BROWSER=required $(BIN)/pytest -m browser tests/browser

## soak: long fault and kill loops
soak: $(VENV)/dev
	TALLYSTICK_KILLS=$(KILLS) $(BIN)/pytest -m soak

## bench: measure everything, beside Tessera and LiteLLM; about half an hour, on a quiet machine
bench: $(VENV)/dev
	sh bench/peers/setup.sh
	$(BIN)/python -m bench.all $(ARGS)

## docs: build the site into site/; a broken link or a page that is left out fails
docs: $(VENV)/docs
	$(BIN)/python tools/reference.py --check
	$(BIN)/python tools/manpage.py --check
	$(BIN)/python tools/pages.py
	NO_COLOR=1 $(BIN)/zensical build --clean --strict

## airgap: a bundle in OUT that installs where there is no network: wheels, sums, site, units
airgap: $(VENV)/docs $(VENV)/run
	$(BIN)/python tools/airgap.py $(OUT) $(ARGS)

## fuzz: hostile bytes into every parser, guided by coverage, for SECONDS in all
fuzz: $(VENV)/fuzz
	$(BIN)/python -m tests.fuzz.run --seconds $(SECONDS)

$(VENV)/fuzz: $(VENV)/dev requirements/fuzz.txt
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --require-hashes -r requirements/fuzz.txt
	@touch $@

$(VENV)/browser: $(VENV)/dev requirements/browser.txt
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --require-hashes -r requirements/browser.txt
	@touch $@

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/run: $(BIN)/python requirements/run.txt pyproject.toml
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --require-hashes -r requirements/run.txt
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --require-hashes -r requirements/build.txt
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/dev: $(VENV)/run requirements/dev.txt
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --require-hashes -r requirements/dev.txt
	@touch $@

$(VENV)/docs: $(VENV)/run requirements/docs.txt
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --require-hashes -r requirements/docs.txt
	@touch $@

## wheel: build dist/*.whl, and run the main job from it as `uvx` does, in an environment of its own
wheel: $(VENV)/dev
	rm -rf dist
	$(BIN)/python -m pip wheel -q --disable-pip-version-check --no-deps --no-build-isolation -w dist .
	$(BIN)/uv tool run --quiet --isolated --from "$$(ls $(CURDIR)/dist/tallystick-*.whl)[demo]" tallystick demo --exit

## lock: compile the hash-pinned requirements anew
lock: $(VENV)/dev
	sh tools/lock.sh

clean:
	rm -rf $(VENV) .oracles site dist
