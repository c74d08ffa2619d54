# `make demo` and `make test` work on a fresh machine with Python 3.11+ and make; each sets up .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
FAST := not slow and not tensorflow and not browser and not prometheus and not root
# `make soak SEED=12345` repeats a soak.
SEED :=
# The tests of processes wait as often as they work.
WORKERS = $(shell expr $$(nproc) + 1)
# The tests start hundreds of programs, each of which would compile this project anew without its bytecode.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-fast test-frameworks dist docs links lint check bench soak results pictures format lock lock-frameworks clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

# The lock is whole, so nothing is resolved: pip takes a package's extra for another, unpinned package.
$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	$(BIN)/python -m pip check --disable-pip-version-check
	@touch $@

setup: $(STAMP)  ## the virtual environment with everything, from the locked versions

demo: $(STAMP)  ## three real folds, live metrics, and the verdicts
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh ./demo.sh

test: $(STAMP)  ## every test
	$(BIN)/python -m pytest $(COVERAGE) --numprocesses $(WORKERS) --max-worker-restart 0 --dist loadfile --no-loadscope-reorder

test-fast: $(STAMP)  ## the quick tests: no TensorFlow, browser, Prometheus, root or long runs
	$(BIN)/python -m pytest -m "$(FAST)" --numprocesses auto --max-worker-restart 0

# An environment of its own: torch alone is larger than all of the other one. torch comes first and alone, as a CPU
# build if pip finds one; --no-deps keeps everything after it from replacing it.
FRAMEWORKS := .venv-frameworks
FRAMEWORKS_LOCK := tests/frameworks/requirements.txt

$(FRAMEWORKS)/.installed: $(FRAMEWORKS_LOCK)
	$(PYTHON) -m venv $(FRAMEWORKS)
	$(FRAMEWORKS)/bin/python -m pip install --quiet --disable-pip-version-check "$$(grep '^torch==' $(FRAMEWORKS_LOCK))"
	$(FRAMEWORKS)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r $(FRAMEWORKS_LOCK)
	@touch $@

test-frameworks: $(FRAMEWORKS)/.installed  ## the integrations against Lightning, Transformers, Optuna, MLflow and W&B
	$(FRAMEWORKS)/bin/python -m pytest tests/frameworks

dist: $(STAMP)  ## the wheel and the source distribution, in dist/
	$(BIN)/python -m hatchling build

docs: $(STAMP)  ## the documentation, in docs/_build/html
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going docs docs/_build/html
	@echo docs/_build/html/index.html

links: $(STAMP)  ## check the documentation's links to other sites (needs the network)
	$(BIN)/sphinx-build --quiet --builder linkcheck docs docs/_build/links

lint: $(STAMP)  ## format, lint, spelling, types, layering
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/codespell
	$(BIN)/mypy
	$(BIN)/lint-imports

check: COVERAGE = --cov
check: lint test  ## all of both, with the coverage gate

bench: $(STAMP)  ## measure the costs, as ratios of one run; writes bench.json
	$(BIN)/python -m benchmarks

soak: $(STAMP)  ## the long random tests: kills, generated logs, random series, the fuzzer; prints its seed
	$(BIN)/python -m benchmarks.soak $(SEED)

results: $(STAMP)  ## docs/results.md, all measured anew: under an hour
	-$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks.reproduce
	$(BIN)/python -m benchmarks.results

pictures: $(STAMP)  ## the README's pictures, made by running foldwatch (needs chromium)
	$(BIN)/python -m docs.pictures

format: $(STAMP)  ## reformat the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

LOCK := --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url

lock:  ## renew requirements.lock and the image's, which is a part of it (needs uv)
	uv pip compile pyproject.toml --extra all --extra docs --extra dev $(LOCK) --output-file requirements.lock
	echo hatchling | uv pip compile pyproject.toml - --extra analyze --extra serve \
	    --constraint requirements.lock $(LOCK) --output-file grafana/requirements.lock

lock-frameworks:  ## renew tests/frameworks/requirements.txt (needs uv); of torch's, only what its CPU build needs
	uv pip compile tests/frameworks/requirements.in --universal --python-version 3.11 --no-header --no-annotate \
	    --no-emit-index-url --quiet | grep -v '^nvidia-\|^cuda-\|^triton\|win32\|== .emscripten' > $(FRAMEWORKS_LOCK)

clean:  ## remove the files that make built
	rm -rf $(VENV) $(FRAMEWORKS) demo-run docs/_build dist
