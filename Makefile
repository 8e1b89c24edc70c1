# Every target does its own set-up in .venv; a second run reuses it and begins in seconds.
SHELL := bash
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
export PYTHONPATH :=

.PHONY: help setup demo test check test-unit test-process test-engine test-long test-install test-watch lock clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup:  ## the environment, in .venv, from requirements-cpu.lock
	@deploy/setup.sh $(VENV)

demo: setup  ## one question answered in a blink, one thought through
	@$(BIN)/python -m deploy.demo

test: setup  ## everything a newcomer should see pass: checks, unit tests, real engines
	@$(BIN)/python -m tests.stages check unit process engine

check: setup  ## format, lint, types, import contracts
	@$(BIN)/python -m tests.stages check

test-unit: setup  ## the tests that need no engine, under a minute
	@$(BIN)/python -m tests.stages unit

test-process: setup  ## the tests that start a gateway, or import an engine, for some seconds
	@$(BIN)/python -m tests.stages process

test-engine: setup  ## the tests on real Ray and real vLLM
	@$(BIN)/python -m tests.stages engine

test-long: setup  ## more of them: a replica over two nodes, configurations that roll
	@$(BIN)/python -m tests.stages long

test-install: setup  ## the chart with a real Helm on a real API server (KUBEBUILDER_ASSETS)
	@$(BIN)/python -m tests.stages install

test-watch: setup  ## metrics, dashboards and alerts on a real Prometheus (apt install prometheus prometheus-alertmanager)
	@$(BIN)/python -m tests.stages watch

lock:  ## both lock files anew, from requirements-*.in (needs uv)
	@deploy/lock.sh

clean:  ## remove the environment and every cache
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info
