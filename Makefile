.PHONY: announce browser check clean constraints demo docs explore format package test torch viewer-tools
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

$(BIN)/.base: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[embedded,schema,semantic,zstd]'
	touch $@

$(BIN)/.dev: $(BIN)/.base
	$(BIN)/python -c "import tomllib; print('\n'.join(tomllib.load(open('pyproject.toml','rb'))['dependency-groups']['dev']))" > $(VENV)/dev.txt
	$(BIN)/pip install --quiet --constraint constraints.txt --requirement $(VENV)/dev.txt
	touch $@

demo: $(BIN)/.base
	PATH="$(CURDIR)/$(BIN):$$PATH" examples/demo/demo.sh

check: $(BIN)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Where npm is missing the tests of the viewer's build are skipped, and in CI they fail.
viewer-tools:
	test viewer/node_modules/.package-lock.json -nt viewer/package-lock.json || (cd viewer && npm ci --silent) || echo 'no npm: the viewer tests are skipped'

# The only target that installs system packages: the browsers that open the pages in tests. Needs root.
browser:
	command -v chromium >/dev/null && command -v firefox-esr >/dev/null \
		|| (apt-get update -qq && apt-get install -y -qq chromium firefox-esr) >/dev/null

# A build for CPUs alone, or none: the usual one brings gigabytes for graphics cards.
torch: $(BIN)/.dev
	$(BIN)/python -c 'import torch, transformers' 2>/dev/null \
		|| $(BIN)/pip install --quiet --constraint constraints.txt 'torch==2.13.0+cpu' 'transformers>=5' \
		|| echo 'no CPU build of torch: the tests of the provider transformers are skipped'

announce:
	@echo 'make test takes about 18 minutes on 2 cores, and 2 more to install.'
	@command -v chromium >/dev/null || echo 'No chromium: its tests of the pages are skipped. To run them: make browser'
	@command -v firefox-esr >/dev/null || echo 'No firefox-esr: its tests of the pages are skipped. To run them: make browser'

# The same examples every time; `make explore` draws new ones.
test: announce check viewer-tools torch
	$(BIN)/insidellms model pull smollm2
	$(BIN)/insidellms model pull wordllama
	$(BIN)/pytest -n 2

# The site in site/, from docs/ and zensical.toml; a broken link stops it.
docs:
	$(PYTHON) -m venv $(VENV)/docs
	$(PYTHON) -c "import tomllib; print('\n'.join(tomllib.load(open('pyproject.toml','rb'))['dependency-groups']['docs']))" > $(VENV)/docs.txt
	$(VENV)/docs/bin/pip install --quiet --constraint constraints.txt --requirement $(VENV)/docs.txt
	$(VENV)/docs/bin/zensical build --strict --clean

# What `pip install` will bring: built, checked, and tried in fresh environments.
package:
	$(PYTHON) -m venv $(VENV)/package
	$(PYTHON) -c "import tomllib; print('\n'.join(tomllib.load(open('pyproject.toml','rb'))['dependency-groups']['package']))" > $(VENV)/package.txt
	$(VENV)/package/bin/pip install --quiet --constraint constraints.txt --requirement $(VENV)/package.txt
	rm -rf dist
	$(VENV)/package/bin/python -m build --outdir dist . > $(VENV)/build.txt || (cat $(VENV)/build.txt; exit 1)
	$(VENV)/package/bin/twine check --strict dist/*
	$(VENV)/package/bin/pytest -q release

# Property tests with random examples, up to ten times as many; what fails is kept in .hypothesis/ and tried first next time.
explore: $(BIN)/.dev
	$(BIN)/pytest -n 2 --hypothesis-profile=explore -m hypothesis

# The exact versions that `make demo` and `make test` install, so that what a package index offers that day changes nothing.
constraints: $(BIN)/.base
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --upgrade --universal --python-version 3.11 --quiet --no-header --no-annotate \
		--extra embedded --extra schema --extra semantic --extra zstd --extra transformers --group dev --group docs --group package --no-emit-package torch \
		| grep -vE '^(nvidia|cuda|triton)' > constraints.new  # a build for CPUs needs none of these
	mv constraints.new constraints.txt

format: $(BIN)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) build dist src/*.egg-info
