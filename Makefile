# Two commands on a fresh machine: `make demo` and `make test`. Both make .venv and install into it.

ifeq ($(OS),Windows_NT)
PYTHON ?= python
BIN := .venv/Scripts
else
PYTHON ?= python3
BIN := .venv/bin
endif

.PHONY: demo test faults bench check chromium clean

demo: .venv/.installed  ## train on the built-in digits and leave a run with its pictures
	$(BIN)/alexnet train

test: .venv/.tested check  ## style, types, doors, and the whole suite
	$(BIN)/python -m pytest -n auto --maxprocesses 4

faults: .venv/.tested  ## bring about every row of the matrix of faults; writes docs/faults.md
	$(BIN)/python -m pytest -n auto --maxprocesses 4 -m fault --long --faults=docs/faults.md tests

bench: .venv/.tested benchmarks/.venv/.installed  ## ours against Keras, onnxruntime and plain PyTorch, in turns
	$(BIN)/python -m benchmarks $(ARGS)

benchmarks/.venv/.installed: benchmarks/peers.txt
	$(PYTHON) -m venv benchmarks/.venv
	benchmarks/.venv/bin/python -m pip install --quiet -r benchmarks/peers.txt
	@touch $@

chromium:  ## for the tests of the page in a browser; without it they are skipped. Debian and Ubuntu, as root
	command -v chromium || (apt-get update -q && apt-get install -q -y --no-install-recommends chromium)

check: .venv/.tested
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.venv/bin/python .venv/Scripts/python.exe:
	$(PYTHON) -m venv .venv

.venv/.installed: $(BIN)/python$(if $(filter Windows_NT,$(OS)),.exe) pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet -c constraints.txt -e .
	@touch $@

.venv/.tested: .venv/.installed
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[test]"
	$(BIN)/python -m pip install --quiet -c constraints.txt --no-deps torchvision  # one file of it, for comparison
	@touch $@

clean:  ## remove what was installed, not what was trained
	rm -rf .venv
