# make demo   installs into .venv and makes a disc from the embedded archive
# make test   lints, type-checks, checks the imports and runs every test that can run here
# make test-nightly  the tests that take long: random kills, large studies, many associations
# make faults  runs the tests of the fault matrix and writes docs/faults.md
# make faults-nightly  the same with those that take long
# make docs   writes docs/commands.md anew, from the parser
# make bench  times everything beside dcmtk, Orthanc, genisoimage and xorriso: table and plot;
#             make bench BENCH='--only 1,7 --rounds 5' and the like
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.10; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
JOBS ?= 2

.PHONY: demo test test-nightly faults faults-nightly docs bench clean
demo: $(VENV)/installed
	$(BIN)/mkiso demo --output demo

test: $(VENV)/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n $(JOBS) --dist loadgroup

test-nightly: $(VENV)/installed-test
	$(BIN)/pytest -n 0 -m nightly --timeout 3600

faults: $(VENV)/installed-test
	$(BIN)/python tests/faults/page.py

faults-nightly: $(VENV)/installed-test
	$(BIN)/python tests/faults/page.py --nightly

docs: $(VENV)/installed
	$(BIN)/python -m mkiso.cli.reference > docs/commands.md

bench: $(VENV)/installed-test
	$(BIN)/python benchmarks/bench.py $(BENCH)

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "mkiso needs Python 3.10 or newer: none found on the PATH."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[codecs,previews]'
	@touch $@

$(VENV)/installed-test: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[codecs,previews,encrypt,test]'
	@touch $@ $(VENV)/installed

clean:
	rm -rf $(VENV) demo build dist .pytest_cache .mypy_cache .ruff_cache
