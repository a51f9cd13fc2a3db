# `make demo` and `make test` are all a newcomer types; both set up what they need and re-use what is there.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# the renderer's and torch's thread pools would fight over the cores the test workers already use
WORKERS ?= 2
ONE_THREAD := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 NUMBA_NUM_THREADS=1

.PHONY: demo test lint docs faces parity benchmarks clean

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.installed-dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable ".[test,lint,docs]"
	touch $@ $(VENV)/.installed

demo: $(VENV)/.installed
	$(BIN)/faceeval score --method cyclegan --attr young
	$(BIN)/faceeval score --method fai --attr young
	$(BIN)/faceeval report results/procfaces-64/Young -o results/report.html
	@echo "Open results/report.html in a browser."

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint
	$(ONE_THREAD) $(BIN)/python -m pytest -n $(WORKERS)
	$(ONE_THREAD) $(BIN)/python -m pytest -q --doctest-modules faceeval reference_models
	$(ONE_THREAD) $(BIN)/python -m pytest -q --doctest-glob='*.md' docs/measures

docs: $(VENV)/.installed-dev
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html

# the embedded faces shown to face networks that were trained elsewhere
faces: $(VENV)/.installed-dev
	$(BIN)/python -m pip install --quiet --editable ".[faces]"
	$(BIN)/python -m pytest -m faces -rP tests

# our metrics beside other people's packages of the same metrics
parity: $(VENV)/.installed-dev
	$(BIN)/python -m pip install --quiet --editable ".[parity]"
	$(ONE_THREAD) $(BIN)/python -m pytest -q -m parity tests

benchmarks: $(VENV)/.installed-dev
	$(BIN)/python -m pytest benchmarks --benchmark-columns=median,ops

clean:
	rm -rf $(VENV) build dist docs/_build results
