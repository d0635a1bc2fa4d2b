# Everything a developer runs. Each target does its own set-up: Python 3.11 or newer and make are all it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TOOLS := .tools

.PHONY: help demo test prove lint fmt bench lock tools clean
help: ## show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10

# Pinned with hashes; the project itself comes from this folder, without asking for anything unpinned.
$(VENV)/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "alert-receiver needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	@echo "Setting up $(VENV) (once) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

# What the image is made of: the tests take the Dockerfile's steps, and must ask nobody outside for anything.
$(VENV)/wheels: requirements-image.lock requirements-build.lock | $(VENV)/installed
	@rm -rf $@ $@.new
	@$(BIN)/python -m pip download --quiet --disable-pip-version-check --only-binary :all: --require-hashes \
		-r requirements-image.lock -r requirements-build.lock --dest $@.new
	@mv $@.new $@

demo: $(VENV)/installed ## see it work: alerts in, mails and Slack messages out, half a minute
	@$(BIN)/alert-receiver demo

# Many tests wait for real programs: three processes keep two processors busy.
test: $(VENV)/installed $(VENV)/wheels ## run the tests, about seven minutes
	@PATH="$(CURDIR)/$(TOOLS):$$PATH" $(BIN)/python -m pytest -n 3 --dist loadfile

prove: $(VENV)/installed ## run the long proofs; their figures go to docs/proofs.md
	@$(BIN)/python -m pytest -m prove

lint: $(VENV)/installed ## ruff and mypy, strict
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

fmt: $(VENV)/installed ## format the code
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

bench: $(VENV)/installed ## measure webhooks and messages a second, CPU, memory, start-up
	@$(BIN)/python -m tests.bench
	@$(BIN)/python -m tests.bench_messages

lock: ## pin the dependencies anew, with hashes and without download addresses (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
		--no-header --all-extras --upgrade --output-file requirements.lock pyproject.toml
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
		--no-header --constraints requirements.lock --output-file requirements-image.lock pyproject.toml
	echo hatchling | uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-annotate --no-header --constraints requirements.lock --output-file requirements-build.lock -

# Beside Debian's promtool, a current one, under a name of its own; it needs to discover nothing. Some minutes, the
# first time.
tools: ## build helm, pint, dashboard-linter and a current promtool, for the tests of chart and rules (needs Go)
	@mkdir -p $(TOOLS)
	@cd tests/tools && go build -mod=readonly -tags remove_all_sd -o $(CURDIR)/$(TOOLS)/ tool
	@mv $(TOOLS)/promtool $(TOOLS)/promtool-current
	@cd tests/tools/helm && go build -mod=readonly -o $(CURDIR)/$(TOOLS)/ tool
	@cd tests/tools/helm-4 && go build -mod=readonly -o $(CURDIR)/$(TOOLS)/helm-4 helm.sh/helm/v4/cmd/helm

clean: ## remove what the targets made
	rm -rf $(VENV) $(TOOLS) dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
