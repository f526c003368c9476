# certfleet. `make` or `make help` lists the targets.
#
# Set-up is done once and again when a pin changes: a stamp in .venv depends on requirements*.txt and pyproject.toml,
# which names the command certfleet, others in .certfleet on the versions of what comes from npm. Nothing is installed
# outside this directory.

VENV := .venv
PYTHON := $(VENV)/bin/python
VENV_STAMP := $(VENV)/.installed

AZURITE_VERSION := 3.35.0
AZURITE := .certfleet/azurite
# Whoever brings an Azurite by AZURITE_JS needs none from here.
AZURITE_STAMP := $(if $(AZURITE_JS),,$(AZURITE)/.installed-$(AZURITE_VERSION))

# Microsoft's parser of KQL, for tests only. Whoever brings one by KUSTO_JS needs none from here.
KUSTO_VERSION := 12.4.1
KUSTO := .certfleet/kusto
KUSTO_STAMP := $(if $(KUSTO_JS),,$(KUSTO)/.installed-$(KUSTO_VERSION))

# Policies for templates, for check-infra only; it wants other versions of packages than we do, so it has a venv of its
# own. Whoever names one by CHECKOV needs none from here.
CHECKOV_VERSION := 3.3.30
CHECKOV_VENV := .certfleet/checkov
CHECKOV_STAMP := $(if $(CHECKOV),,$(CHECKOV_VENV)/.installed-$(CHECKOV_VERSION))

CODE := engine tests function_app.py

# What is started here is carried out here, wherever the command line would look otherwise.
unexport CERTFLEET_URL

# One set-up at a time, also when two makes run in one clone.
SET_UP := mkdir -p .certfleet && $(if $(shell command -v flock),flock .certfleet/setup.lock) $(MAKE) --no-print-directory -s

# A python3.13 on PATH may be a pyenv shim that only says "command not found", so each is tried out.
define FIND_PYTHON
ok='import sys, venv, ensurepip, sqlite3, ssl; sys.exit(sys.version_info[:2] != (3, 13))'
if python3.13 -c "$$ok" 2>/dev/null; then
    command -v python3.13
elif v=$$(pyenv versions --bare 2>/dev/null | grep -E '^3\.13\.[0-9]+$$' | sort -V | tail -n 1) && [ -n "$$v" ]; then
    echo "$$(pyenv prefix "$$v")/bin/python3.13"
elif python=$$(uv python find 3.13 2>/dev/null) && "$$python" -c "$$ok" 2>/dev/null; then
    echo "$$python"
else
    echo "Python 3.13 was not found: put python3.13 on PATH, or install it with pyenv (pyenv install 3.13) or uv" >&2
    exit 1
fi
endef
export FIND_PYTHON

.DEFAULT_GOAL := help
.PHONY: help install run run-cert run-hub-connect run-adr run-adr-user up test check check-no-fix build lock clean-build

help: ## list the targets
	@echo "usage: make TARGET; targets:"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "make itself ends with 2 whenever a target fails; $(PYTHON) -m engine run keeps the run's own exit code."

install: ## set up: Python 3.13 environment, pinned packages, Azurite
	+@$(SET_UP) $(VENV_STAMP) $(AZURITE_STAMP)

run: install ## carry out one run on this machine: [SPEC=file | SCENARIO=name] [FAULTS=json] [QUOTAS=json] [GROUP_KEY=key] [ARGS=...]
	@exec $(PYTHON) -m engine run $(if $(SPEC),--spec '$(SPEC)') $(if $(SCENARIO),--scenario '$(SCENARIO)') \
	    $(if $(FAULTS),--faults '$(FAULTS)') $(if $(QUOTAS),--quotas '$(QUOTAS)') \
	    $(if $(GROUP_KEY),--group-key '$(GROUP_KEY)') $(ARGS)

run-cert: SCENARIO = cert-renewal
run-cert: run ## make run SCENARIO=cert-renewal
run-hub-connect: SCENARIO = connect-churn
run-hub-connect: run ## make run SCENARIO=connect-churn
run-adr: SCENARIO = adr-patch
run-adr: run ## make run SCENARIO=adr-patch
run-adr-user: SCENARIO = adr-get-patch
run-adr-user: run ## make run SCENARIO=adr-get-patch

up: install ## start everything and stay, for runs by HTTP: [FAULTS=json] [QUOTAS=json] [GROUP_KEY=key] [ARGS=...]
	@exec $(PYTHON) -m engine up $(if $(FAULTS),--faults '$(FAULTS)') $(if $(QUOTAS),--quotas '$(QUOTAS)') \
	    $(if $(GROUP_KEY),--group-key '$(GROUP_KEY)') $(ARGS)

test: install parser ## run the tests: [TEST=tests/unit/plan/test_pacer.py::name] [ARGS=...]; the same as .venv/bin/python -m pytest
	@exec $(PYTHON) -m pytest $(TEST) $(ARGS)

check: environment ## format, then lint, types and layers
	$(PYTHON) -m black --quiet $(CODE)
	$(PYTHON) -m ruff check --fix $(CODE)
	$(PYTHON) -m mypy
	$(VENV)/bin/lint-imports

check-no-fix: environment ## the same without changing a file, for CI
	$(PYTHON) -m black --check --quiet --diff $(CODE)
	$(PYTHON) -m ruff check $(CODE)
	$(PYTHON) -m mypy
	$(VENV)/bin/lint-imports

.PHONY: check-infra
check-infra: ## check infra/ without Azure: Bicep, roles, settings, secrets, queries, policies; bicep build and lint where there is one
	+@$(SET_UP) $(VENV_STAMP) $(KUSTO_STAMP) $(CHECKOV_STAMP)
	@$(PYTHON) tests/infra/check.py

.PHONY: bench
bench: environment ## measure the engine beside C programs: [BENCH_DIR=../shared/bench] [ARGS="--quick --only churn"]
	@$(if $(BENCH_DIR),BENCH_DIR='$(BENCH_DIR)' )$(PYTHON) tests/bench/bench_engine.py $(ARGS)

.PHONY: chaos
chaos: install ## kill, end and freeze what takes part in runs: [SEEDS=20 | SEED=n] [ARGS="--batches 100 --resume"]
	@exec $(PYTHON) tests/chaos/chaos_run.py $(if $(SEED),--seed $(SEED),$(if $(SEEDS),--seeds $(SEEDS))) $(ARGS)

build: environment ## make the function package, the worker image's context and the SBOM of both in dist/
	@$(PYTHON) -m engine package --out dist

lock: environment ## resolve requirements.txt anew: every package that is shipped, with its digests, in requirements.lock
	@$(PYTHON) -m engine lock

clean-build: ## remove dist/
	rm -rf dist

# infra/az.sh tells what its variables mean; nothing of them is looked at here.
AZ := ENVIRONMENT='$(ENVIRONMENT)' LOCATION='$(LOCATION)' PARAMETERS='$(PARAMETERS)' PRINCIPAL='$(PRINCIPAL)' PYTHON=$(PYTHON) infra/az.sh

.PHONY: deploy target destroy
deploy: ## put it into Azure with az; azd up does the same: ENVIRONMENT=name LOCATION=region [PARAMETERS="vnetEnabled=true ..."]
	@$(AZ) ready
	+@$(MAKE) --no-print-directory build
	@$(AZ) deploy

target: ## put services to be tested into Azure: ENVIRONMENT=name [PARAMETERS="certificateModel=... hubCount=2 ..."]
	@$(AZ) ready
	+@$(MAKE) --no-print-directory environment
	@$(AZ) target

destroy: ## delete both again, with all results: ENVIRONMENT=name CONFIRM=name [PART=target]
	@CONFIRM='$(CONFIRM)' PART='$(PART)' $(AZ) destroy

.PHONY: environment parser
environment:
	+@$(SET_UP) $(VENV_STAMP)
parser:
	+@$(SET_UP) $(VENV_STAMP) $(KUSTO_STAMP)

$(VENV_STAMP): requirements.txt requirements-dev.txt pyproject.toml
	@python=$$(sh -c "$$FIND_PYTHON") && echo "setting up $(VENV) with $$python" && \
	    { $(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' 2>/dev/null || \
	    { rm -rf $(VENV) && "$$python" -m venv $(VENV); }; }
	@$(PYTHON) -m pip install --quiet --quiet --disable-pip-version-check -r requirements-dev.txt
	@$(PYTHON) -m pip install --quiet --quiet --disable-pip-version-check --no-index --no-deps --no-build-isolation -e .
	@touch $@

define FIND_NODE
for tool in node npm; do command -v $$tool >/dev/null || \
    { echo "$$tool was not found: install Node.js 20 or newer; Azurite, the storage emulator, runs on it" >&2; exit 1; }; done
endef
NPM_INSTALL := npm install --no-audit --no-fund --loglevel=error

$(AZURITE)/.installed-$(AZURITE_VERSION):
	@$(FIND_NODE)
	@echo "setting up Azurite $(AZURITE_VERSION) in $(AZURITE)"
	@mkdir -p $(AZURITE)
	@$(NPM_INSTALL) --prefix $(AZURITE) azurite@$(AZURITE_VERSION) >/dev/null
	@rm -f $(AZURITE)/.installed-* && touch $@

$(CHECKOV_VENV)/.installed-$(CHECKOV_VERSION): | $(VENV_STAMP)
	@echo "setting up checkov $(CHECKOV_VERSION) in $(CHECKOV_VENV)"
	@rm -rf $(CHECKOV_VENV) && $(PYTHON) -m venv $(CHECKOV_VENV)
	@$(CHECKOV_VENV)/bin/python -m pip install --quiet --quiet --disable-pip-version-check checkov==$(CHECKOV_VERSION)
	@touch $@

$(KUSTO)/.installed-$(KUSTO_VERSION):
	@$(FIND_NODE)
	@echo "setting up the KQL parser $(KUSTO_VERSION) in $(KUSTO)"
	@mkdir -p $(KUSTO)
	@$(NPM_INSTALL) --ignore-scripts --prefix $(KUSTO) @kusto/language-service-next@$(KUSTO_VERSION) >/dev/null
	@rm -f $(KUSTO)/.installed-* && touch $@
