# Each target builds .venv when it is missing; all it needs is make and Python 3.11 or newer.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --constraint constraints.txt

# Below 100 % pyright lists each public name whose type is missing or differs between type checkers, and exits with 1.
# It finds the packages through the first python on the PATH: --pythonpath has no effect in this mode.
COMPLETE := PATH="$(CURDIR)/$(BIN):$$PATH" pyright --ignoreexternal --verifytypes

define packages
rm -rf dist
$(BIN)/python -m build --outdir dist
$(BIN)/twine check --strict dist/*
$(BIN)/check-wheel-contents dist/*.whl
endef

.PHONY: demo test check docs release bench bench-check soak simulate torture torture-cluster clean

demo: .venv/.installed
	$(BIN)/musicapi generate "a calm sea shanty about a harbour at night" --sandbox --out demo

# Most tests wait for processes, servers and time limits: three at a time take half as long.
test: .venv/.dev
	$(BIN)/python -m pytest -p xdist --numprocesses 3 --dist loadfile

check: .venv/.dev .venv/.docs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/pyright
	$(COMPLETE) musicapi_async
	$(COMPLETE) musicapi_sync
	$(COMPLETE) pytest_musicapi
	$(packages)

docs: .venv/.docs
	$(BIN)/sphinx-build -W -n --keep-going --quiet docs docs/_build

# The wheel in an empty environment of every Python from 3.11 to 3.14 that is installed.
release: .venv/.dev
	$(packages)
	$(BIN)/python tests/built_wheel.py

bench: .venv/.bench
	for file in benchmarks/bench_*.py; do $(BIN)/python $$file || exit 1; done

# Not for CI, whose machines are too busy for a comparison within 10 %.
bench-check: .venv/.bench
	$(BIN)/python benchmarks/check.py

soak: .venv/.dev
	PYTHONPATH=tests $(BIN)/python benchmarks/soak.py

simulate: .venv/.dev
	PYTHONPATH=tests $(BIN)/python -m faults.simulation --seeds 20 --steps 5000

torture: .venv/.dev
	PYTHONPATH=tests $(BIN)/python -m bulk.killing 2000 20
	PYTHONPATH=tests $(BIN)/python -m bulk.killing 2000 20 --webhook-url

torture-cluster: .venv/.dev
	PYTHONPATH=tests $(BIN)/python -m bulk.cluster 2000 20 5 2

clean:
	rm -rf .venv demo docs/_build docs/reference .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache dist

.venv/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) --upgrade pip
	$(PIP) --editable '.[cli]'
	touch $@

.venv/.dev: .venv/.installed
	$(PIP) --editable '.[cli,cluster,speed,storage]' --group dev
	touch $@

.venv/.docs: .venv/.installed
	$(PIP) --group docs
	touch $@

.venv/.bench: .venv/.dev
	$(PIP) --group bench
	touch $@
