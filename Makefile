# Everything Weir needs is installed into .venv from the lock file, at the first target that needs it.
# ARGS goes to the program that a target calls: make test ARGS="-k kafka", make demo ARGS=--once

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
INSTALLED := .venv/installed
BROWSER := .venv/browser/installed

.PHONY: install demo test coverage simulate test-containers lint bench clean

install: $(INSTALLED)

demo: $(INSTALLED)  ## run everything on this machine until Ctrl-C
	$(BIN)/weir demo $(ARGS)

test: $(INSTALLED) $(BROWSER)  ## all tests, with real servers that the tests start; with ARGS some of them
ifeq ($(strip $(ARGS)),)
	$(BIN)/python -m tests.all_tests
else
	$(BIN)/python -m pytest --ignore=tests/benchmarks $(ARGS)
endif

coverage: $(INSTALLED) $(BROWSER)  ## all tests again, with lines and branches counted and held to their floor
	$(BIN)/python -m tests.all_tests --coverage

simulate: $(INSTALLED)  ## workers through drawn faults: SEEDS=1000 FIRST=0, TRACE=1 for everything that happened
	$(BIN)/python -m tests.simulation.explore --seeds $(or $(SEEDS),1000) --first $(or $(FIRST),0) $(if $(TRACE),--trace) $(ARGS)

test-containers: $(INSTALLED)  ## the stack of docker/ in containers: with Docker, or on Debian as root with an engine of our own
	PYTHON=$(BIN)/python tests/containers/verify.sh $(ARGS)

lint: $(INSTALLED)  ## style, formatting, types, which package may import which, and the reference made from the code
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/make_reference.py --check

bench: $(INSTALLED)  ## measure; takes minutes
	$(BIN)/python -m pytest tests/benchmarks -s $(ARGS)

clean:  ## remove all that can be made again; data of the local stack (.weir) stays
	rm -rf .venv build *.egg-info .coverage htmlcov .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

$(INSTALLED): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Weir needs Python 3.11 or later: none found on PATH" >&2; exit 1; }
	@echo "installing Weir and its libraries into .venv: minutes the first time, each library is a line"
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --progress-bar off --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@echo "installed"
	touch $@

# Only tests need a browser. Without one the tests of pages fail, and the others run.
$(BROWSER): tests/browser/requirements.lock tests/browser/npm.lock tests/support/chromium.py | $(INSTALLED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r tests/browser/requirements.lock
	command -v npm >/dev/null || test -n "$$WEIR_TEST_BROWSER" || \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r tests/browser/npm.lock
	$(BIN)/python -m tests.support.chromium
