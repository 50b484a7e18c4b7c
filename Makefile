# Every target works from a fresh clone: what a target needs is installed into .venv first. `make check` never edits; `make fix` does.
PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help demo test coverage check fix bench soak

help:
	@echo "make demo [NAS=/path] [ONCE=1] [FILES=600]   a running office in minutes; NAS is your own folder (only read), ONCE ends when all is read"
	@echo "make test     all tests that CI runs          make check   style, types, import floors, house rules; edits nothing"
	@echo "make soak     the long tests, by hand         make fix     format and mend what ruff can mend"
	@echo "make bench    the figures of the README"

# Re-made only when what is installed should change.
.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null \
	  || { echo "Python 3.11, 3.12 or 3.13 is needed, and $(PYTHON) is none of them. Name one: make demo PYTHON=/path/to/python3.11"; exit 1; }
	@echo "Installing into .venv (takes a few minutes the first time) ..."
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --upgrade pip
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable . --group dev
	@touch $@

# NAS, ONCE and FILES reach the recipe as environment variables, so that a path may hold spaces.
demo: export NAS := $(NAS)
demo: export ONCE := $(filter-out 0,$(ONCE))
demo: export FILES := $(FILES)
demo: .venv/installed
	@$(BIN)/ibhelm demo $${NAS:+--nas "$$NAS"} $${ONCE:+--once} $${FILES:+--files "$$FILES"}

# The tests of what can delete for good (pyproject.toml, [tool.coverage.run]). They run with their coverage, all of which must be there, and not again in `test`.
GATE := tests/unit/test_inbox_files.py tests/unit/test_placing.py tests/integration/nas/test_mass_deletion_guard.py \
        tests/integration/safety/test_purge.py tests/integration/privacy

coverage: .venv/installed
	$(BIN)/pytest -n 4 --dist worksteal -m "not soak" --cov --cov-report term-missing:skip-covered --cov-fail-under 100 $(GATE)

test: coverage
	$(BIN)/pytest -n 4 --dist loadfile --no-loadscope-reorder --durations 25 --durations-min 5 -m "not soak" $(addprefix --ignore=,$(GATE))

soak: .venv/installed
	$(BIN)/pytest -n 3 --dist load --maxschedchunk 1 -m soak --timeout 0

check: .venv/installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -q tests/unit/test_house.py

fix: .venv/installed
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(BIN)/python deploy/env_example.py

bench: .venv/installed
	@for script in benchmarks/[!_]*.py; do \
	  echo "== $$script"; $(BIN)/python -m "benchmarks.$$(basename "$$script" .py)" || exit 1; done
