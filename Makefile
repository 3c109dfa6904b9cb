# One vocabulary of tasks for people and for CI: `make help` lists them.
# Needs Python 3.11 or newer and make; uv is brought into the checkout when the machine has none.
SHELL := /bin/bash
.DEFAULT_GOAL := help

PYTHON ?= python3
LOCAL_UV := .local/uv/bin/uv
UV := $(or $(shell command -v uv 2>/dev/null),$(LOCAL_UV))
RUN := $(UV) run --no-sync

# Many processes start at once: compiling every module on installation beats each of them doing so.
export UV_COMPILE_BYTECODE := 1

.PHONY: help install run smoke bench bench-training bench-serving bench-connections load rebuild-data promote rollback reproduce up up-celery up-replicas up-gateway keys down logs secrets doctor test coverage test-browser test-kubernetes test-compose test-celery test-growth format lint

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

$(LOCAL_UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; $(PYTHON) is older. Name another one: make PYTHON=python3.13 …"; exit 1; }
	@echo "Bringing uv into the checkout…"
	@$(PYTHON) -m venv .local/uv && .local/uv/bin/pip install --quiet -r builder/uv.txt

install: $(if $(filter $(LOCAL_UV),$(UV)),$(LOCAL_UV)) ## Install everything into .venv, from the lock
	@$(UV) sync --locked --quiet

run: install ## Start the whole platform on this machine; Ctrl-C ends it
	@$(RUN) python -m tools.local.run

smoke: install ## Run from an empty state to the first prediction, then stop
	@$(RUN) python -m tools.local.run --smoke

bench: bench-training bench-serving bench-connections ## Run all benchmarks

bench-training: install ## Measure recipes of training beside each other; FULL=1 on all rows; to docs/benchmarks.md
	@$(RUN) python -m benchmarks.training $(if $(FULL),--full)

bench-serving: install ## Measure the inference service beside other ways to serve; to docs/benchmarks.md
	@$(RUN) python -m benchmarks.serving

bench-connections: install ## Measure it with 10,000 connections at once; to docs/benchmarks.md
	@$(RUN) python -m benchmarks.connections

# LOCUST_ARGS= gives its web page instead, on http://127.0.0.1:8089
LOAD_URL ?= http://127.0.0.1:8000
LOCUST_ARGS ?= --headless --only-summary --users 100 --spawn-rate 10 --run-time 60s

load: install ## Ask the running service as many users do, with Locust (LOAD_URL, LOCUST_ARGS)
	@$(UV) run --locked --quiet --group load locust --locustfile benchmarks/locustfile.py \
		--host $(LOAD_URL) $(LOCUST_ARGS)

# Those that need neither Docker nor a browser, and can run side by side.
MAIN_TESTS := -n 2 --dist loadfile --no-loadscope-reorder \
	--ignore tests/browser --ignore tests/compose --ignore tests/compose_celery \
	--ignore tests/compose_gateway --ignore tests/compose_replicas --ignore tests/kubernetes_rendered \
	--ignore tests/growth --ignore tests/faults

test: install ## Run the tests
	$(RUN) pytest $(MAIN_TESTS)
	@# Alone: tests of the app leave it as __main__, which multiprocessing runs in each child.
	$(RUN) pytest tests/faults
	@docker info >/dev/null 2>&1 \
		&& echo "The tests of the containers are apart: make test-compose" \
		|| echo "The tests of the containers were not run: there is no Docker here"

# Apart from `test`: counting lines makes the tests a third slower.
coverage: install ## Run most of the tests and report which lines they run; no gate
	$(RUN) pytest $(MAIN_TESTS) --cov

REBUILD = covertype.rebuild $(if $(FEWER_ROWS),--fewer-rows)

rebuild-data: install ## Make the processed rows again from all raw files; FEWER_ROWS=1 accepts fewer than now
	@if $(IN_CONTAINERS); \
		then docker compose exec -T airflow-scheduler python -m $(REBUILD); \
		else DATASETS_URL="$${DATASETS_URL:-.local/state/datasets}" $(RUN) python -m $(REBUILD); fi

# Where the platform runs in containers, they do it; else the one of `make run`.
export VERSION WHY
IN_CONTAINERS = [ -n "$$(docker compose ps --quiet airflow-scheduler 2>/dev/null)" ]
ON_THIS_MACHINE = $(MAKE) --no-print-directory install && \
	DATASETS_URL="$${DATASETS_URL:-.local/state/datasets}" \
	MLFLOW_TRACKING_URI="http://127.0.0.1:$${MLFLOW_PORT:-5000}" \
	INFERENCE_URL="http://127.0.0.1:$${INFERENCE_PORT:-8000}" $(RUN) python -m $(1)
CHANGE = covertype.production $(1) "$$VERSION" --who "$$(id -un)" --why "$$WHY"
CHANGE_PRODUCTION = if $(IN_CONTAINERS); \
	then docker compose exec -T airflow-scheduler python -m $(CHANGE); \
	else $(call ON_THIS_MACHINE,$(CHANGE)); fi

promote: ## Put an eligible version into Production: VERSION=n, and WHY="…" for the history
	@$(call CHANGE_PRODUCTION,promote)

rollback: ## Put Production back to an earlier version: VERSION=n, and WHY="…" for the history
	@$(call CHANGE_PRODUCTION,rollback)

# Training needs memory of its own, beside that of the scheduler's container.
reproduce: ## Train a version again from its snapshot, and compare the answers: VERSION=n
	@if $(IN_CONTAINERS); \
		then docker compose run --rm --no-deps -T --entrypoint python airflow-scheduler \
			-m covertype.reproduce "$$VERSION"; \
		else $(call ON_THIS_MACHINE,covertype.reproduce "$$VERSION"); fi

# An override is added to the files that COMPOSE_FILE names, in the shell or in .env.
COMPOSE_FILES = $(or $(COMPOSE_FILE),$(shell sed -n "s/^COMPOSE_FILE=//p" .env 2>/dev/null | tr -d "\"'"),docker-compose.yaml)
# The gateway comes last, as it takes away the ports of the others.
GATEWAY := docker-compose.gateway.yaml
FILES = $(subst :, ,$(COMPOSE_FILES))
FILES_WITH = $(filter-out $(1) $(GATEWAY),$(FILES)) $(filter-out $(GATEWAY),$(1)) \
	$(sort $(filter $(GATEWAY),$(FILES) $(1)))
EMPTY :=
UP_WITH = COMPOSE_FILE="$(subst $(EMPTY) $(EMPTY),:,$(strip $(FILES_WITH)))" $(PYTHON) -m tools.containers.up

up: ## Start the platform in containers and wait until all is healthy
	@$(PYTHON) -m tools.containers.up

up-celery: ## Start the platform with Airflow's tasks in many workers: WORKERS=n, 3 by default; `make up` ends them
	@$(call UP_WITH,docker-compose.celery.yaml)

up-replicas: ## Start the platform with several inference services behind a gateway: REPLICAS=n, 3 by default; `make up` ends them
	@$(call UP_WITH,docker-compose.replicas.yaml)

up-gateway: ## Start the platform behind one port with TLS, keys and logins (docs/security.md)
	@$(call UP_WITH,$(GATEWAY))

# Only what this command names: a ROLE that a shell exports for its own use makes no key.
GIVEN = $(if $(filter command,$(firstword $(origin $(1)))),--$(2) "$($(1))")
keys: ## List the keys of the gateway; NEW=name makes one (ROLE=predict, RATE=100), REVOKE=name ends one
	@docker compose exec -T gateway python api_keys.py $(call GIVEN,NEW,new) $(call GIVEN,ROLE,role) \
		$(call GIVEN,RATE,rate) $(call GIVEN,REVOKE,revoke)

down: ## End the containers and keep the data; VOLUMES=1 removes it too, after asking (YES=1: at once)
	@$(PYTHON) -m tools.containers.up --down $(if $(VOLUMES),--volumes) $(if $(YES),--yes)

logs: ## Follow what the containers say; SERVICE=mlflow for one alone
	@docker compose logs --follow --tail 100 $(SERVICE)

secrets: ## Replace every default password and key, in .env and the databases; ROTATE=1 those in use
	@$(PYTHON) -m tools.containers.secrets $(if $(ROTATE),--rotate $(filter-out 1,$(ROTATE)))

doctor: ## Look for what is wrong with the containers or would be, with the remedy
	@$(PYTHON) -m tools.containers.doctor

define WITH_BROWSER
	@$(UV) sync --locked --quiet --group browser
	@command -v chromium >/dev/null || $(RUN) playwright install --with-deps chromium
endef

test-browser: install ## Use the app in a real browser, against real services; pictures to docs/images
	$(WITH_BROWSER)
	$(RUN) pytest tests/browser -s

# It is in kubectl; where there is neither, Go builds it.
KUSTOMIZE := sigs.k8s.io/kustomize/kustomize/v5@v5.8.1

test-kubernetes: install ## Render the manifests of Kubernetes and validate them; AIRFLOW_CHART=file: Airflow's too, with Helm
	@$(UV) sync --locked --quiet --group kubernetes
	@command -v kubectl >/dev/null || command -v kustomize >/dev/null \
		|| GOBIN=$(CURDIR)/.local/bin go install $(KUSTOMIZE)
	PATH="$$PATH:$(CURDIR)/.local/bin" $(RUN) pytest tests/kubernetes tests/kubernetes_rendered

test-compose: install ## Test the platform in containers from nothing, with faults; needs Docker
	$(WITH_BROWSER)
	$(RUN) pytest $(or $(TESTS),tests/compose)
	$(if $(TESTS),,$(RUN) pytest tests/compose_replicas)
	$(if $(TESTS),,$(RUN) pytest tests/compose_gateway)

test-celery: install ## Test three workers in containers, with kills; needs Docker
	$(RUN) pytest $(or $(TESTS),tests/compose_celery)

test-growth: install ## Test ten batches in containers (needs Docker), and a clock that jumps by a day
	@$(UV) sync --locked --quiet --group clock
	$(RUN) pytest $(or $(TESTS),tests/growth)

format: install ## Format the code, and mend what ruff can mend by itself
	$(RUN) ruff check --fix
	$(RUN) ruff format

lint: install ## Check style, formatting, types, and who imports whom
	$(RUN) ruff check
	$(RUN) ruff format --check
	$(RUN) mypy
	$(RUN) lint-imports
