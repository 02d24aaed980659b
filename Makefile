# One verb for each thing people do with the book. The same verbs run in CI.
# Each verb sets up what it needs; on a fresh Debian or Ubuntu only git, make and Python 3.11+ must be there.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# Where the tools are. In a conda environment made from environment.yml:  make book BIN=$CONDA_PREFIX/bin
BIN ?= .venv/bin
PY := $(BIN)/python
SITE := build/_build/html
CHAPTERS ?= $(sort $(wildcard chapters/*.ipynb))
PORT ?= 8000
# Arguments for pytest, for example: make test PYTEST_ARGS="-k bayes"
PYTEST_ARGS ?=
JUPYTER_BOOK := $(BIN)/jupyter-book build . -W --keep-going --config book/_config.yml --toc book/_toc.yml --path-output build --all

.PHONY: help setup book serve lab chapters test lint browser bench scorecard publish-as lock clean distclean

help:  ## list the verbs
	@echo "make VERB"
	@sed -nE 's/^([a-z-]+):.*## (.*)/  \1|\2/p' $(firstword $(MAKEFILE_LIST)) | while IFS='|' read -r verb text; do printf '%-14s %s\n' "$$verb" "$$text"; done

# The stamp makes setup run again only when what it installs from has changed, or .venv has gone.
STAMP := $(if $(filter .venv/bin,$(BIN)),.venv/.setup-done)
.venv/.setup-done: requirements/lock.txt requirements/no-deps.txt pyproject.toml tools/setup.sh
	@PYTHON="$(PYTHON)" tools/setup.sh

setup: .venv/.setup-done  ## make .venv with everything pinned (PYTHON=python3.12 picks an interpreter)

book: $(STAMP)  ## build the book into build/_build/html, warnings are errors
	$(JUPYTER_BOOK)
	@echo
	@echo "The book is built. Open  file://$(abspath $(SITE))/index.html  or run  make serve"

serve:  ## build the book if it is missing and show it at http://127.0.0.1:8000 (PORT=9000 for another port)
	@test -f $(SITE)/index.html -a -x $(PY) || $(MAKE) --no-print-directory book
	@echo "The book is at  http://127.0.0.1:$(PORT)/  (Ctrl+C stops)"
	@$(PY) -m http.server $(PORT) --bind 127.0.0.1 --directory $(SITE)

lab: $(STAMP)  ## open JupyterLab on the chapters
	$(BIN)/jupyter lab --notebook-dir=. --LabApp.default_url=/lab/tree/chapters \
		$(if $(filter 0,$(shell id -u)),--allow-root) $(LAB_ARGS)

chapters: $(STAMP)  ## execute the chapters in place (CHAPTERS="chapters/01_counting.ipynb" for some)
	@test -n "$(CHAPTERS)" || { echo "chapters: no notebook in chapters/"; exit 1; }
	$(PY) tools/execute_chapters.py $(CHAPTERS)

test: $(STAMP)  ## run every check: lint, the book, all tests (PYTEST_ARGS="-k bayes" for some)
	@BIN='$(BIN)' PYTEST_ARGS='$(PYTEST_ARGS)' tools/test.sh

lint: $(STAMP)  ## ruff, formatting, types, and the form of the chapters
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(PY) tools/notebook_lint.py $(CHAPTERS)

browser: book  ## the tests of the built book in headless Chromium
	@CHROMIUM="$$(tools/chromium.sh)"; export CHROMIUM; $(PY) -m pytest -m browser tests $(PYTEST_ARGS)

bench: $(STAMP)  ## one table of speeds beside their targets: training, filter, evaluation, import
	$(PY) tools/bench.py $(BENCH_ARGS)

scorecard: $(STAMP)  ## evaluate every network that ships and write book/scorecard.md and .json
	$(PY) -m tutorlib scorecard --out book

publish-as: $(STAMP)  ## say where the book is published: REPOSITORY=owner/name, and TAG=v1.0.0 if it changes
	@test -n "$(REPOSITORY)$(TAG)" || { echo "usage: make publish-as REPOSITORY=owner/name [TAG=v1.0.0]"; exit 2; }
	$(PY) tools/publish_as.py $(if $(REPOSITORY),--repository "$(REPOSITORY)") $(if $(TAG),--tag "$(TAG)")

lock: setup  ## rewrite requirements/lock.txt from what .venv holds
	tools/lock.sh

clean:  ## remove what was built, keep .venv
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find src tests tools book -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean  ## remove .venv too
	rm -rf .venv
