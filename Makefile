# make run      the stack on this machine, telling a short story against stand-ins of Bitbucket and Port
# make test     all tests; ARGS="tests/webhooks -k signature" for some
# make lint     what CI checks in code and template
# make build    sam build (needs python3.13 on PATH or in pyenv)
# make events   makes the signatures in events/ true again
# make command  only the command bitbucket-port, into .venv-command, for pipelines
# make bench    what imports, mapping and a whole resync take, as ratios; some ten minutes
#
# Each makes or renews the virtual environments it needs, from any Python 3.11 or newer: make PYTHON=python3.12 install

PYTHON ?= python3
ARGS ?=
BIN := .venv/bin
SAM := .venv-sam/bin/sam
# The pinned files are complete, so there is nothing to resolve.
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement

# The SAM CLI tells its makers about its use unless told not to; validating needs a region, any region.
export SAM_CLI_TELEMETRY := 0
export AWS_DEFAULT_REGION ?= eu-west-1

.PHONY: install command run test lint validate build events bench requirements

# Besides the environment and its command bitbucket-port: the layers and the runtime client that the functions run on here. Quick when they are there.
install: .venv/installed .venv/bin/bitbucket-port
	@$(BIN)/python -m local.layers

run: .venv/installed
	@$(BIN)/python -m local $(ARGS)

test: install
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder $(ARGS)

lint: .venv/installed validate
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

validate: .venv/installed .venv-sam/installed
	$(BIN)/python -m scripts.lint_template
	$(SAM) validate --lint

build: .venv-sam/installed
	@folder=$$(scripts/python313_folder.sh) || { echo "make build needs python3.13 on PATH or in pyenv" >&2; exit 1; }; \
	PATH="$$folder:$$PATH" $(SAM) build $(ARGS)

events: .venv/installed
	$(BIN)/python scripts/sign_events.py

bench: .venv/installed
	$(BIN)/python -m bench.imports $(ARGS)
	$(BIN)/python -m bench.mapping
	$(BIN)/python -m bench.local_database
	$(BIN)/python -m bench.resync

# The newest versions that fit together, with the hashes of all their files, and free of any index's address.
PIP_COMPILE = ../$(BIN)/pip-compile --quiet --upgrade --generate-hashes --allow-unsafe --strip-extras --no-header \
	--annotation-style line --no-emit-index-url --no-emit-find-links --no-emit-trusted-host
requirements: .venv/installed
	cd requirements && $(PIP_COMPILE) dev.in && $(PIP_COMPILE) runtime.in && $(PIP_COMPILE) sam.in
	cd requirements && $(PIP_COMPILE) --constraint dev.txt command.in
	cd layers/dependencies && ../$(PIP_COMPILE) --constraint ../../requirements/dev.txt requirements.in
	cd layers/bitbucket_port && ../$(PIP_COMPILE) --constraint ../../requirements/dev.txt build-requirements.in

# Not an editable install, which needs a build back end: one line in a .pth makes the package importable.
importable = $(1)/bin/python -c 'import pathlib, sysconfig; pathlib.Path(sysconfig.get_path("purelib"), "bitbucket_port.pth").write_text(str(pathlib.Path("layers/bitbucket_port").resolve()) + "\n")'

.venv/installed: requirements/dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "make needs Python 3.11 or newer: make PYTHON=python3.x ...")'
	$(PYTHON) -m venv .venv
	$(BIN)/python $(PIP_INSTALL) requirements/dev.txt
	$(call importable,.venv)
	@touch $@

command: .venv-command/bin/bitbucket-port

.venv-command/bin/bitbucket-port: requirements/command.txt scripts/write_command.py
	$(PYTHON) -m venv .venv-command
	.venv-command/bin/python $(PIP_INSTALL) requirements/command.txt
	$(call importable,.venv-command)
	.venv-command/bin/python -m scripts.write_command $@

# What a package's installation would put there.
.venv/bin/bitbucket-port: .venv/installed scripts/write_command.py
	$(BIN)/python -m scripts.write_command $@

.venv-sam/installed: requirements/sam.txt
	$(PYTHON) -m venv .venv-sam
	.venv-sam/bin/python $(PIP_INSTALL) requirements/sam.txt
	@touch $@
