# SPDX-License-Identifier: Apache-2.0
#
# Each target runs one script of tools/; tox's environments run the same ones.
# Everything sets itself up: system packages (bindep.txt) and a virtual
# environment in .venv. It needs python3 (3.11 or later), make, and on a
# machine where system packages are missing, apt-get.
#
#   make check PYTHON=/usr/bin/python3.12    with this Python

.DEFAULT_GOAL := help
.PHONY: help setup demo check style types unit functional docs \
	generated packages deb bounds cloud playground matrix mutation cover bench \
	genconfig constraints \
	clean

help: ## show this
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' \
		$(firstword $(MAKEFILE_LIST))

demo: setup ## see it work, no GPU or cloud needed; also "make demo ARGS=vfio"
	@.venv/bin/python -m tests.demo $(ARGS)

check: ## run all checks, as CI does
	@tools/check.sh

style: ## run the linters only
	@tools/check.sh style

types: ## check type annotations only
	@tools/check.sh types

unit: ## run the unit tests only
	@tools/check.sh unit

functional: ## run the functional tests only (real Nova and Placement)
	@tools/check.sh functional

docs: ## build documentation and release notes
	@tools/check.sh docs

generated: ## check only that what genconfig writes is fresh
	@tools/check.sh generated

packages: ## build the Debian packages, lint, install, try and purge them
	@tools/check.sh packages

deb: ## build the Debian packages into dist/, in a clean root; needs root
	@tools/deb.sh

cover: ## measure what unit and functional tests cover together
	@tools/check.sh cover

cloud: ## start a real control plane and migrate on it; "make cloud ARGS=--help"
	@tools/cloud.sh $(ARGS)

playground: ## a cloud with instances to try commands on, until Ctrl-C
	@tools/cloud.sh --playground

bounds: ## commands and unit tests with the oldest libraries
	@tools/bounds.sh $(SETS)

matrix: ## functional tests with each supported Nova (about an hour)
	@tools/matrix.sh $(RELEASES)

mutation: ## change the core, one thing at a time: do its tests notice?
	@tools/mutation.sh $(MUTANTS)

bench: ## measure what the filter costs and saves in a large cloud
	@tools/cloud.sh -- -m tests.benchmarks $(ARGS)

genconfig: setup ## write sample configuration and manual pages anew
	@PATH="$(CURDIR)/.venv/bin:$$PATH" tools/genconfig.sh

constraints: ## write constraints.txt anew, with the newest versions
	@tools/constraints.sh

setup: ## make .venv (the other targets do it when needed)
	@tools/setup.sh

clean: ## remove .venv and everything else that was made here
	rm -rf .venv .bounds .check .cloud .deb .matrix .mutation .stestr .tox .demo .coverage* cover build dist \
		*.egg-info .eggs .mypy_cache .ruff_cache .hypothesis \
		doc/build releasenotes/build AUTHORS ChangeLog
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
