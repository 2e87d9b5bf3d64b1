# Every path here is relative, so that a clone works wherever it lies, also below a folder with spaces.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

PYTHON := .venv/bin/python
SANDBOX_PYTHON := .venv-sandbox/bin/python
SAGEMAKER_PYTHON := .venv-sagemaker/bin/python
SCENE ?= data_quality
DB ?= sqlite
PORT ?= 4566
SETTINGS ?=
ARGS ?=

export PYTHONPATH := plugins:.
# Warnings of other people's packages at import are theirs to mend.
export AIRFLOW__CORE__LOAD_EXAMPLES := False

.PHONY: help setup demo sandbox test check cost pipelines endpoint mwaa mwaa-check deploy-mwaa container lint bench clean

help: ## Show this help
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.ready .venv-sandbox/.ready .venv-sagemaker/.ready ## Make the three environments with pinned packages (again only when a pin changes)

.venv/.ready: requirements.txt requirements-dev.txt constraints.txt tools/make-environment tools/find-python
	@echo "Installing Airflow and the tools into .venv (once; a minute or two)"
	@tools/make-environment .venv constraints.txt requirements.txt requirements-dev.txt
	@touch $@

.venv-sandbox/.ready: sandbox/requirements.txt sandbox/constraints.txt tools/make-environment tools/find-python
	@echo "Installing the sandbox into .venv-sandbox (once; a minute)"
	@tools/make-environment .venv-sandbox sandbox/constraints.txt sandbox/requirements.txt
	@touch $@

.venv-sagemaker/.ready: requirements-sagemaker.txt constraints-sagemaker.txt tools/make-environment tools/find-python
	@echo "Installing the SageMaker SDK into .venv-sagemaker (once; a minute)"
	@tools/make-environment .venv-sagemaker constraints-sagemaker.txt requirements-sagemaker.txt
	@touch $@

.venv-postgres/.ready: sandbox/postgres.txt tools/make-environment tools/find-python
	@echo "Installing PostgreSQL into .venv-postgres (once)"
	@tools/make-environment .venv-postgres sandbox/postgres.txt sandbox/postgres.txt
	@touch $@

demo: setup $(if $(filter postgres,$(DB)),.venv-postgres/.ready) ## Play a scene in a real Airflow against the sandbox (SCENE=data_quality, DB=sqlite or postgres)
	@$(PYTHON) -m sandbox.demo --scene '$(SCENE)' --database '$(DB)' $(ARGS)

sandbox: setup ## Run the sandbox alone, until Ctrl-C (PORT=4566)
	@$(SANDBOX_PYTHON) -m sandbox serve --port '$(PORT)' $(ARGS)

test: setup ## Run the whole test suite (ARGS=... goes to pytest)
	@$(PYTHON) -m pytest --numprocesses auto --dist loadfile $(ARGS)

check: setup ## Check every endpoint file; tells all faults at once
	@$(PYTHON) -m watchkeeper.operators.check_endpoints $(ARGS)

cost: setup ## Print what watching each endpoint will cost a month, from its file alone (ARGS=NAME shows every line)
	@$(PYTHON) -m watchkeeper.operators.cost $(ARGS)

pipelines: setup ## Render the pipelines of include/pipelines to JSON (ARGS=--check writes nothing)
	@$(SAGEMAKER_PYTHON) include/pipelines $(ARGS)

endpoint: setup ## Write the file of a live endpoint (NAME=its-name)
	@$(if $(NAME),,echo "say which endpoint: make endpoint NAME=its-name" >&2; exit 2;) \
	$(PYTHON) -m watchkeeper.aws.endpoint_facts '$(NAME)' $(ARGS)

mwaa: setup ## Build dist/ for Amazon MWAA (SETTINGS=file of WATCHKEEPER_* lines that its startup script exports)
	@$(PYTHON) -m tools.mwaa.bundle $(if $(SETTINGS),--settings '$(SETTINGS)')

mwaa-check: mwaa ## Install dist/ as Amazon MWAA does, in a fresh environment, and try it (a minute or two)
	@$(PYTHON) -m tools.mwaa.check $(ARGS)

deploy-mwaa: setup ## Bring dist/ to an Amazon MWAA environment (ENV=its-name; ARGS=--dry-run prints the plan)
	@$(if $(ENV),,echo "say which environment: make deploy-mwaa ENV=its-name" >&2; exit 2;) \
	$(PYTHON) -m tools.mwaa.deployment '$(ENV)' $(ARGS)

container: setup ## Build dist/container, of which an image is made or AWS's own runs (ARGS=--check installs it and analyses)
	@$(PYTHON) -m tools.container_bundle $(ARGS)

lint: setup ## Lint, check the format, the types and the layers
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@$(PYTHON) -m mypy
	@.venv/bin/lint-imports

bench: setup ## Measure the analysis beside its limits and peers (several minutes; SUITE=merge, bias, attribution or housekeeping; ARGS=...)
	@$(PYTHON) -m benchmarks$(if $(SUITE),.$(SUITE)) $(ARGS)

clean: ## Remove the environments and everything made at run time
	rm -rf .venv .venv-* .demo .cache .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
