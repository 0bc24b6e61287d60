# The environments are in .venv/. GNU make 4, bash and Python 3.11 are required; the rest comes from PyPI.

SHELL := bash
.ONESHELL:
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

# Airflow and Python to develop with.
AIRFLOW := 3.3
PY := 3.11

# The groups of tests. Tests that are in no group, such as tests/airflow/test_imports.py, run in every environment.
SUITE_core := tests/core tests/sandbox tests/sending tests/test_docs.py tests/test_makefile.py \
              tests/test_many_workers_doc.py
SUITE_gateway := tests/gateway
SUITE_examples := tests/examples
SUITE_ledgers := tests/ledgers/test_faults.py tests/ledgers/test_ledgers.py
SUITE_retries := tests/ledgers/test_abandoned_calls.py tests/ledgers/test_choosing.py \
                 tests/ledgers/test_failing_writes.py tests/ledgers/test_lost_ledgers.py \
                 tests/ledgers/test_mapped_sends.py tests/ledgers/test_senders.py \
                 tests/ledgers/test_settlements.py tests/ledgers/test_several_sends.py
SUITE_sources := tests/sources
SUITE_alerts := tests/airflow/test_credit_alert.py tests/airflow/test_credit_sensor.py \
                tests/airflow/test_credit_trigger.py tests/airflow/test_event.py tests/airflow/test_locks.py
SUITE_callbacks := tests/airflow/test_alert_crowd.py tests/airflow/test_notifier.py tests/airflow/test_triggerer.py
SUITE_restarts := tests/airflow/test_restarted_triggerer.py
SUITE_commands := tests/commands
SUITE_dags := tests/airflow/test_airflow_commands.py tests/airflow/test_dag_runs.py tests/airflow/test_lineage.py \
              tests/airflow/test_rendered_fields.py tests/airflow/test_taskflow.py
SUITE_simulation := tests/simulation
SUITES := core gateway examples ledgers retries sources alerts callbacks restarts commands dags simulation
# Why some environments omit a group. `make test-all` prints this in its summary.
WHY_core := needs no Airflow: runs on the oldest and newest Python, pandas and pyarrow, and in `make test`
WHY_gateway := differs by HTTP libraries and operator base classes: runs with the lowest versions, and in `make test`
WHY_examples := minutes of whole DAG runs: run on Airflow 2 and the newest
WHY_ledgers := differ by SQLAlchemy: run with 1.4, and in `make test`
WHY_retries := sends of several tries and tasks, which differ by SQLAlchemy: run with 1.4 and 2.1
WHY_sources := differ by pandas, pyarrow and SQLAlchemy: run with the lowest, those of Airflow 3.0, and in `make test`
WHY_alerts := sensors and triggers: run on Airflow 2, on the oldest Airflow 3, and in `make test`
WHY_callbacks := callbacks in many processes, and a triggerer: run on Airflow 2, and on the oldest and newest Airflow 3
WHY_restarts := restarts a triggerer, which keeps state from Airflow 3.3 on: runs there
WHY_commands := differ by how a process outside a task reaches Airflow: run on Airflow 2 and the newest
WHY_dags := whole DAG runs, and the commands of Airflow: run once for each Airflow
WHY_simulation := takes minutes, and simulates what differs by Airflow: runs once, with a task state store

# The environments in which the built wheel is tested, and the groups that run in each. airflow-* has the newest
# packages that work with that Airflow; official-* has those of Airflow's official constraint file and Docker image;
# lowest has the lowest versions that pyproject.toml allows.
RUNS_airflow-3.3-py3.11 := examples retries callbacks restarts commands dags simulation
RUNS_airflow-3.3-py3.12 :=
RUNS_airflow-3.3-py3.13 := core
RUNS_airflow-3.2-py3.11 := dags
RUNS_airflow-3.1-py3.11 := dags
RUNS_airflow-3.0-py3.11 := alerts callbacks dags
RUNS_airflow-2.11-py3.11 := examples alerts callbacks commands dags
RUNS_airflow-2.11-py3.12 :=
RUNS_official-3.3-py3.11 :=
RUNS_official-3.2-py3.11 :=
RUNS_official-3.1-py3.11 :=
RUNS_official-3.0-py3.11 := sources
RUNS_official-2.11-py3.11 :=
RUNS_lowest-py3.11 := core gateway ledgers retries sources
MATRIX := $(patsubst RUNS_%,%,$(sort $(filter RUNS_%,$(.VARIABLES))))
# The environments that take longest start first, so that no core is idle at the end.
LONGEST := airflow-3.3-py3.11 lowest-py3.11 airflow-2.11-py3.11 airflow-3.0-py3.11
# The environments whose tests mostly wait, for back-offs and time-outs, run several tests concurrently.
CONCURRENT := lowest-py3.11
# Combinations that Airflow does not support.
UNSUPPORTED := airflow-2.11-py3.13 airflow-3.0-py3.13
# Old packages cause deprecation warnings in other packages, which this package cannot fix.
TOLERATED_ON := $(filter-out airflow-%,$(MATRIX))
TOLERATED := -W ignore::DeprecationWarning -W ignore::PendingDeprecationWarning -W ignore::FutureWarning
# The environments in which property tests run all their examples; others run a fifth.
ALL_EXAMPLES_ON ?= airflow-3.3-py3.13
# The folders of tests/acceptance/, each with its environment. They kill processes of a real Airflow and take minutes.
ACCEPTANCE := attacked_sends@airflow-3.3-py3.11 attacked_sends@airflow-2.11-py3.11 many_workers@airflow-3.3-py3.11 \
              alerts@airflow-3.3-py3.11 mapped_sends@airflow-3.3-py3.11 demo@airflow-3.3-py3.11 \
              approval@airflow-3.1-py3.11
# How many histories test-all simulates. It prints the random seed.
SIMULATED ?= 10000
JOBS ?= $(shell getconf _NPROCESSORS_ONLN)
# Tests that only test-all runs: DAG runs, and sends and alerts in their own processes, many of which are killed.
SLOW := $(SUITE_examples) $(SUITE_retries) $(SUITE_callbacks) $(SUITE_restarts) $(SUITE_commands) $(SUITE_dags) \
        tests/airflow/test_provider.py tests/sending/test_interrupted_sends.py
CONCURRENTLY := --numprocesses=$(JOBS) --dist=worksteal
QUICK := $(CONCURRENTLY) --hypothesis-profile=brief

ENV := .venv/airflow-$(AIRFLOW)-py$(PY)
BROWSER := .venv/browser-py$(PY)
BENCH := .venv/bench-py$(PY)
CHECK := .venv/check-py$(PY)
CORE := .venv/core-py$(PY)
DOCS := .venv/docs-py$(PY)
PYTHON := $(ENV)/bin/python
UV := .venv/uv/bin/uv
export UV_BUILD_CONSTRAINT := constraints/build.txt
# Airflow runs each task in its own process, which takes three times as long to start without compiled modules.
unexport PYTHONDONTWRITEBYTECODE

# $(call lock_of,airflow-3.3-py3.11) is airflow-3.3, $(call py_of,airflow-3.3-py3.11) is 3.11
lock_of = $(firstword $(subst -py, ,$(1)))
py_of = $(lastword $(subst -py, ,$(1)))

# $(call interpreter,3.12): python3.12 if it runs, else pyenv's newest 3.12, else nothing
interpreter = $(shell python$(1) -c 'import sys; print(sys.executable)' 2>/dev/null \
  || ls -d "$$(pyenv root 2>/dev/null)"/versions/$(1).*/bin/python 2>/dev/null | sort -V | tail -n 1)
LOCKS = $(sort $(foreach env,$(MATRIX),$(call lock_of,$(env))))
RUNNABLE = $(foreach env,$(MATRIX),$(if $(call interpreter,$(call py_of,$(env))),$(env)))
IN_ORDER = $(filter $(RUNNABLE),$(LONGEST)) $(filter-out $(LONGEST),$(RUNNABLE))

# $(call install,folder,lock,python,package): an environment with exactly the lock's packages and ours
define install
$(UV) venv --quiet --allow-existing --python '$(call interpreter,$(3))' $(1)
$(UV) pip install --quiet --python $(1) --exact --no-deps --reinstall-package airflow-provider-ismart \
  --requirement constraints/$(2).txt $(4)
endef

.PHONY: help test test-core test-browser simulate bench demo inbox check format docs wheel test-all lock upgrade clean

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' Makefile | expand -t 20

test: $(ENV)/.ready ## run all but the slow tests on the newest Airflow; ARGS='tests/core -x' runs only these
	$(PYTHON) -m pytest $(or $(ARGS),$(QUICK) $(SLOW:%=--ignore=%))

test-core: $(CORE)/.ready ## run the tests of the pure core in seconds, without Airflow
	$(CORE)/bin/python -m pytest $(QUICK) tests/core $(ARGS)

CHROMIUM ?= $(shell command -v chromium || echo /usr/bin/chromium)
test-browser: $(BROWSER)/.ready ## run the tests of the sandbox's inbox in Chromium
	@test -x '$(CHROMIUM)' || { echo '$(CHROMIUM) is missing: apt-get install chromium' >&2; exit 1; }
	CHROMIUM='$(CHROMIUM)' $(BROWSER)/bin/python -m pytest tests/browser $(ARGS)

SEEDS ?= 10000
simulate: $(ENV)/.ready ## run simulated histories of sends; SEEDS is how many (10000), ARGS are more options
	$(PYTHON) -m tests.simulation --seeds $(SEEDS) $(ARGS)

demo: $(ENV)/.ready ## run the demonstration
	$(PYTHON) demo/run.py

inbox: $(ENV)/.ready ## run the demonstration and show its messages in the browser, until Ctrl-C
	$(PYTHON) demo/run.py --inbox

bench: $(BENCH)/.ready ## measure speed and memory against budgets, and update docs/contributing/performance.*
	$(BENCH)/bin/python -m benchmarks $(ARGS)

check: $(CHECK)/.ready ## check the formatting, the lint and the types
	$(CHECK)/bin/ruff format --check
	$(CHECK)/bin/ruff check
	$(CHECK)/bin/mypy

format: $(CHECK)/.ready ## format the code and apply the linter's fixes
	$(CHECK)/bin/ruff format
	$(CHECK)/bin/ruff check --fix

docs: $(DOCS)/.ready ## build the documentation into docs/_build/html
	$(DOCS)/bin/python docs/generate.py
	$(DOCS)/bin/sphinx-build -W --keep-going -d docs/_build/doctrees docs docs/_build/html

wheel: | $(UV) ## build the wheel into dist/
	rm -rf dist
	$(UV) build --quiet --wheel --python '$(call interpreter,$(PY))'

test-all: wheel ## run the tests with the built wheel on every Airflow and Python
	@rm -f .venv/wheel/*/passed*
	result=0
	$(MAKE) --keep-going --jobs=$(JOBS) --output-sync=target acceptance $(IN_ORDER:%=test-%) \
	  || result=$$?
	echo; echo 'Tests of the wheel:'
	$(foreach env,$(RUNNABLE),$(call summary_line,$(env),passed,$(env),$(call described,$(env))))
	$(foreach run,$(ACCEPTANCE),$(call summary_line,$(call env_of,$(run)),passed-$(call suite_of,$(run)),tests/acceptance/$(run)))
	for env in $(filter-out $(RUNNABLE),$(MATRIX)); do
	  echo "  $$env omitted: this Python is not installed"
	done
	for env in $(UNSUPPORTED); do
	  echo "  $$env omitted: this Airflow does not support this Python"
	done
	echo 'Why environments omit groups of tests:'
	$(foreach suite,$(SUITES),echo '  $(suite): $(WHY_$(suite))';)
	exit $$result

# $(call suite_of,alerts@airflow-3.3-py3.11) is alerts, and env_of is airflow-3.3-py3.11
suite_of = $(firstword $(subst @, ,$(1)))
env_of = $(lastword $(subst @, ,$(1)))
# $(call not_run,environment): the groups of tests that this environment omits
not_run = $(filter-out $(RUNS_$(1)),$(SUITES))
# $(call arguments,environment): the arguments of pytest
arguments = $(foreach suite,$(call not_run,$(1)),$(SUITE_$(suite):%=--ignore=%)) \
  $(if $(filter $(1),$(ALL_EXAMPLES_ON)),,--hypothesis-profile=brief) \
  $(if $(filter $(1),$(CONCURRENT)),$(CONCURRENTLY)) $(if $(filter $(1),$(TOLERATED_ON)),$(TOLERATED))
# $(call described,environment): the same in words
described = $(if $(call not_run,$(1)),without $(call not_run,$(1)))$(if \
  $(filter $(1),$(ALL_EXAMPLES_ON)),, (a fifth of the examples of property tests))
# $(call summary_line,environment,mark of success,name,how it was run): a line of the summary
define summary_line
how=FAILED; ! test -e .venv/wheel/$(1)/$(2) || how="passed in $$(cat .venv/wheel/$(1)/$(2)) s"
echo "  $(3) $$how$(if $(strip $(4)), $(strip $(4)))"

endef

# The tests run in a copy of the checkout without the package, so that only the installed wheel can be imported.
.PHONY: acceptance $(MATRIX:%=installed-%) $(MATRIX:%=test-%)
$(MATRIX:%=installed-%): installed-%:
	@echo 'Installing the wheel into $*'
	$(call install,.venv/wheel/$*,$(call lock_of,$*),$(call py_of,$*),dist/*.whl)
	rm -rf .venv/wheel/$*/checkout && mkdir .venv/wheel/$*/checkout
	tar -cf - --exclude='./.*' --exclude=./airflow_provider_ismart . | tar -xf - -C .venv/wheel/$*/checkout
	cd .venv/wheel/$*/checkout
	../bin/python -c 'import airflow_provider_ismart as p; assert "site-packages" in p.__file__, p.__file__'

$(MATRIX:%=test-%): test-%: installed-%
	@echo 'Testing the wheel in $* $(call described,$*)'
	cd .venv/wheel/$*/checkout
	SIMULATION_SEEDS=$(SIMULATED) ../bin/python -m pytest --durations=5 --durations-min=10 $(call arguments,$*) $(ARGS)
	echo "$$SECONDS" > ../passed

# One suite at a time, in parallel with the tests, because concurrent Airflows slow each other down too much.
acceptance: $(sort $(foreach run,$(ACCEPTANCE),installed-$(call env_of,$(run))))
	@result=0
	for run in $(ACCEPTANCE); do
	  echo "Testing a whole Airflow: $$run"
	  env=.venv/wheel/$${run#*@} suite=$${run%@*}
	  SECONDS=0
	  (cd $$env/checkout && ../bin/python -m pytest -m acceptance -s tests/acceptance/$$suite) \
	    && echo "$$SECONDS" > $$env/passed-$$suite || result=1
	done
	exit $$result

.venv/%-py$(PY)/.ready: constraints/%.txt pyproject.toml airflow_provider_ismart/__init__.py | $(UV)
	@echo 'Making $(@D)'
	$(call install,$(@D),$*,$(PY),--editable .)
	touch $@

$(UV): constraints/build.txt
	@echo 'Fetching uv'
	'$(call interpreter,$(PY))' -m venv .venv/uv
	.venv/uv/bin/pip install --quiet --disable-pip-version-check --requirement $<
	touch $@

COMPILE = $(UV) pip compile --quiet --python-version $(PY) --no-annotate --custom-compile-command 'make lock' $(UPGRADE)
TESTED = pyproject.toml --all-extras --group test
lock: | $(UV) ## pin the dependencies of pyproject.toml in constraints/, keeping pins that still fit
	@for group in build core; do
	  $(COMPILE) --universal --group $$group --output-file constraints/$$group.txt
	done
	$(COMPILE) --universal --group browser --constraint constraints/airflow-$(AIRFLOW).txt \
	  --output-file constraints/browser.txt
	for lock in $(filter airflow-%,$(LOCKS)); do
	  $(COMPILE) --universal $(TESTED) constraints/$$lock.in --output-file constraints/$$lock.txt
	done
	for lock in $(filter official-%,$(LOCKS)); do
	  $(COMPILE) $(TESTED) constraints/$$lock.in --output-file constraints/$$lock.txt
	done
	$(COMPILE) --resolution lowest-direct $(TESTED) --constraint constraints/lowest.in --output-file constraints/lowest.txt
	for lock in bench check docs; do
	  $(COMPILE) --universal pyproject.toml --constraint constraints/airflow-$(AIRFLOW).txt --all-extras --group $$lock \
	    --output-file constraints/$$lock.txt
	done

upgrade: ## pin the newest releases of the dependencies
	$(MAKE) lock UPGRADE=--upgrade

clean: ## remove the environments and all build results
	rm -rf .venv dist docs/_build .demo .pytest_cache .mypy_cache .ruff_cache .hypothesis
