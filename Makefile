# Everything a person runs. `make` alone lists it.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TOOLS := .tools/.installed

.DEFAULT_GOAL := help
.PHONY: help setup servers demo test check format bench bench-batch faults faults-batch soak simulate proto model model-eval \
	recordings docs tools deploy-check clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: $(STAMP)  ## set up .venv (once; the other targets do it by themselves)

$(STAMP): pyproject.toml scripts/setup.sh
	@scripts/setup.sh $(PYTHON) $(VENV)
	@touch $@

servers: $(STAMP)  ## make sure the tests find a RabbitMQ and a Redis
	@scripts/servers.sh $(BIN)

demo: $(STAMP)  ## speech in, text out, on this machine, with no server
	@$(BIN)/asr demo

test: $(STAMP) servers tools-if-possible check-quietly  ## everything: linters, types, unit, contract, integration, faults, e2e
	@$(BIN)/python -m pytest

check: $(STAMP)  ## what to run before each commit: format, lint, types, imports, stubs, unit tests
	@scripts/check.sh $(BIN)
	@$(BIN)/python -m pytest -q tests/unit

.PHONY: check-quietly
check-quietly: $(STAMP)
	@scripts/check.sh $(BIN)

format: $(STAMP)  ## rewrite the code the way the linters want it
	@$(BIN)/ruff check --fix -q . || true
	@$(BIN)/ruff format -q .

bench: $(STAMP) servers  ## latency of the decoupling, streams per machine (BENCH="--quick streams" for less)
	@$(BIN)/python -m tests.bench $(BENCH)

bench-batch: $(STAMP) servers  ## recordings: throughput against NeMo's transcribe(), memory, live calls beside them
	@$(BIN)/python -m tests.bench.batch $(BATCH)

faults: $(STAMP) servers  ## strike everything while people talk, then recordings (hours; FAULTS="--rounds 1 gateway" for less)
	@$(BIN)/python -m tests.faults.both $(FAULTS)

faults-batch: $(STAMP) servers  ## recordings alone (an hour or more; FAULTS="--rounds 1 killed" for less)
	@$(BIN)/python -m tests.faults.batch $(FAULTS)

simulate: $(STAMP)  ## compare scaling rules on made-up days of calls (SIMULATE="--quick" for less)
	@$(BIN)/python -m allocator.simulation $(SIMULATE)

soak: $(STAMP) servers  ## an hour of calls and restarts: does anything grow? (SOAK="--minutes 10" for less)
	@$(BIN)/python -m tests.soak $(SOAK)

autoscale: $(STAMP) servers  ## callers come and go, workers with them: a picture (some minutes)
	@$(BIN)/python -m tests.autoscale $(AUTOSCALE)

proto: $(STAMP)  ## generate the gRPC stubs again
	@$(BIN)/python proto/generate.py

model: $(STAMP)  ## train the demo model again (over an hour on two cores)
	@$(BIN)/python -m models.english.training.train

model-eval: $(STAMP)  ## word error rates of the demo model, as in its card
	@$(BIN)/python -m models.english.training.evaluate

recordings: $(STAMP)  ## make the demo recordings again
	@$(BIN)/python -m models.english.training.recordings

tools: $(TOOLS)  ## what checks manifests, images, scripts and infra/ (half a gigabyte, into .tools)

.PHONY: tools-if-possible
tools-if-possible:
	@$(MAKE) --no-print-directory $(TOOLS) || \
		echo "tools: cannot be had here; the tests that need them are skipped" >&2

$(TOOLS): scripts/tools.sh scripts/tools_terraform.sh $(wildcard scripts/terraform/*.py) \
		$(wildcard infra/*.tf infra/bootstrap/*.tf infra/modules/*/*.tf)
	@PYTHON=$(PYTHON) scripts/tools.sh .tools
	@touch $@

deploy-check: $(STAMP) tools  ## k8s/, the Dockerfile and compose.yaml against the code, schemas and policies
	@$(BIN)/python -m pytest -q tests/deploy

docs: $(STAMP)  ## draw the state machines, write the references of commands and settings, the figures
	@$(BIN)/python scripts/draw_states.py
	@$(BIN)/python scripts/cli_reference.py
	@$(BIN)/python scripts/settings_reference.py
	@$(BIN)/python scripts/figures_reference.py

clean:  ## remove .venv and everything that was made
	@rm -rf $(VENV) .tools build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis bench-results
