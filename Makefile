.PHONY: demo test check viewer-tools torch format clean
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

$(BIN)/.base: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable '.[embedded,schema,semantic,zstd]'
	touch $@

$(BIN)/.dev: $(BIN)/.base
	$(BIN)/python -c "import tomllib; print('\n'.join(tomllib.load(open('pyproject.toml','rb'))['dependency-groups']['dev']))" > $(VENV)/dev.txt
	$(BIN)/pip install --quiet --requirement $(VENV)/dev.txt
	touch $@

demo: $(BIN)/.base
	PATH="$(CURDIR)/$(BIN):$$PATH" examples/demo/demo.sh

check: $(BIN)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The browser tests need Chromium and the viewer's own tools; without them they are skipped, and in CI they fail.
viewer-tools:
	command -v chromium >/dev/null || (apt-get update -qq && apt-get install -y -qq chromium) >/dev/null || echo 'no chromium: browser tests are skipped'
	test viewer/node_modules/.package-lock.json -nt viewer/package-lock.json || (cd viewer && npm ci --silent) || echo 'no npm: viewer tests are skipped'

# A build for CPUs alone, or none: the usual one brings gigabytes for graphics cards.
torch: $(BIN)/.dev
	$(BIN)/python -c 'import torch, transformers' 2>/dev/null \
		|| $(BIN)/pip install --quiet 'torch==2.13.0+cpu' 'transformers>=5' \
		|| echo 'no CPU build of torch: the tests of the provider transformers are skipped'

test: check viewer-tools torch
	$(BIN)/insidellms model pull smollm2
	$(BIN)/insidellms model pull wordllama
	$(BIN)/pytest -n 2

format: $(BIN)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) build dist src/*.egg-info
