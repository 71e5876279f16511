# `make demo` shows Handlewatch with this machine and a simulated fleet; `make test` runs everything CI runs.
# Each sets up what it needs. Wanted: Python 3.11 or newer with venv; for the tests also chromium and wine64.

BIN := .venv/bin
WINDOWS := $(addprefix collector/,cli.py config.py service.py state.py) $(wildcard collector/sources/windows*.py)
PYTEST_ARGS ?=
DEMO_ARGS ?=

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup setup-runtime demo test check system-packages wheel screenshots clean distclean

help: ## what there is
	@sed -n 's/^\([a-z-]*\):.*## /  make \1 \t/p' Makefile | expand -t 22

setup: ## .venv with all that development needs
	@scripts/setup dev

setup-runtime:
	@scripts/setup runtime

# Make starts this one without a shell in between, so that Ctrl-C and signals reach it alone and directly.
demo: setup-runtime ## this machine and a simulated fleet, in the browser; Ctrl-C ends it; DEMO_ARGS='--port 9000'
	@$(BIN)/handlewatch demo $(DEMO_ARGS)

system-packages:
	@command -v chromium >/dev/null || { \
	  echo "the browser tests need Debian's chromium: sudo apt-get install chromium" >&2; exit 1; }
	@command -v wine64 >/dev/null || command -v wine >/dev/null || test -x /usr/lib/wine/wine64 || { \
	  echo "the tests of the Windows collector need Wine: sudo apt-get install wine64" >&2; exit 1; }

# mypy looks at one system at a time; what only Windows runs is looked at for Windows.
check: setup ## style and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/mypy --platform win32 --follow-imports silent --cache-dir .mypy_cache/windows $(WINDOWS)

test: system-packages setup check ## style, types and the whole suite; PYTEST_ARGS='-k name' narrows it
	$(BIN)/pytest -n 2 $(PYTEST_ARGS)

wheel: setup ## dist/*.whl and the source archive
	@$(BIN)/python -m build --outdir dist

screenshots: setup ## the pictures of the README, from a demo
	@$(BIN)/python scripts/screenshots.py

clean: ## built files and caches
	rm -rf build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis server/static/vendor
	find collector server migrations scripts tests bench -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## also .venv; the demo's data stay
	rm -rf .venv
