# Two commands matter: make run, make test. `make help` lists the rest.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

export DATA_DIR ?= $(CURDIR)/data
export PORT ?= 8000

.DEFAULT_GOAL := help
.PHONY: help run demo test lint bench translations requirements clean

help: ## what there is
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 20

$(VENV)/.run: requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

$(VENV)/.test: $(VENV)/.run requirements-dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@

run: $(VENV)/.run ## start the product: web and worker, on PORT (8000), data under DATA_DIR (./data)
	@$(BIN)/flask --app wsgi database prepare
	@$(BIN)/flask --app wsgi welcome-link
	@exec $(BIN)/python -m webapp.supervisor

demo: export DATA_DIR := $(if $(filter file,$(origin DATA_DIR)),$(CURDIR)/data/demo,$(DATA_DIR))
demo: $(VENV)/.run ## try it out: an example cabinet, stand-ins for Jivo and amoCRM, invented chats; DATA_DIR is ./data/demo
	@exec $(BIN)/python -m tests.doubles.demo

test: $(VENV)/.test ## the whole suite; REQUIRE_ALL=1 turns a missing Chromium or PostgreSQL into a failure
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -n auto $(PYTEST_ARGUMENTS)

bench: $(VENV)/.test ## measure, each figure as a ratio to a limit of the same run; writes bench/results.md
	$(BIN)/python -m bench

translations: $(VENV)/.run ## collect the texts of the pages, compile the catalogues, list what has no translation
	$(BIN)/python -m webapp.translations

requirements: $(VENV)/.test ## pin requirements anew
	$(BIN)/pip-compile -q --strip-extras --no-emit-index-url --no-emit-trusted-host --no-emit-find-links requirements.in
	$(BIN)/pip-compile -q --strip-extras --no-emit-index-url --no-emit-trusted-host --no-emit-find-links requirements-dev.in

clean: ## forget the virtual environment and what the tests left
	rm -rf $(VENV) .pytest_cache .ruff_cache .import_linter_cache .hypothesis
