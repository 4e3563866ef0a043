# Each target sets up what it needs by itself; see scripts/setup.sh. ARGS goes to the program: make test ARGS="-k ring"
.DEFAULT_GOAL := help
.PHONY: help demo page screenshots test lint bench bench-services setup lock clean

PYTHON_IN := .venv/bin/python

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## talk with voicemode, or watch a simulated person do it where there is no sound card
	@scripts/setup.sh demo
	@$(PYTHON_IN) -m scripts.demo $(ARGS)

page: ## build the page that voicemode serve answers with, from frontend/
	@scripts/build_page.sh

screenshots: ## make the pictures of docs/browser.md
	@scripts/setup.sh test
	@scripts/setup_clients.sh
	@scripts/build_page.sh
	@$(PYTHON_IN) -m tests_frontend.showing docs/screenshots

test: ## run the tests, on a virtual sound card, those of the services, and the vendors' clients; CLIENTS=no leaves these out
	@scripts/setup.sh test
	@scripts/setup.sh services
	@[ "$(CLIENTS)" = no ] || scripts/setup_clients.sh
	@CLIENTS="$(CLIENTS)" scripts/test.sh $(ARGS)

lint: ## check style, types, file length and stray paths
	@scripts/setup.sh lint
	@scripts/setup.sh services
	@scripts/lint.sh

bench: ## measure start, memory and turn latency beside a bare MCP server
	@scripts/setup.sh test
	@$(PYTHON_IN) -m bench $(ARGS)

bench-services: ## measure the speech services beside their engines at true dimensions; ARGS for Whisper's
	@scripts/setup.sh services
	@PYTHONPATH=services .venv-services/bin/python -m bench_services.whisper --requests 2000 $(ARGS)
	@PYTHONPATH=services .venv-services/bin/python -m bench_services.kokoro

setup: ## make .venv and install PortAudio, so that .venv/bin/voicemode runs
	@scripts/setup.sh run

lock: ## compile all locks from pyproject.toml (needs uv)
	@scripts/lock.sh

clean: ## remove the environments, caches and results
	@rm -rf .venv .venv-services .venv-clients tests_clients/node_modules frontend/node_modules voicemode/http/page .mypy_cache services/.mypy_cache .ruff_cache .pytest_cache .hypothesis .room build dist bench/results demo-*.wav
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
