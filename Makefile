# Two commands for a newcomer: `make demo` and `make test`. Everything they need is set up by scripts/prepare, once.

PYTHON := .venv/bin/python
export PYTHONWARNINGS ?=

.PHONY: demo test check unit bench soak reference lock pages clean help

help: ## Show what can be made.
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

demo: ## Start everything on this machine and print the address to open.
	@scripts/prepare demo
	@exec .venv/bin/intellicall demo

test: ## Set up what the tests need, then run every check and every test.
	@scripts/prepare test
	@$(MAKE) --no-print-directory check
	@scripts/lanes

check: ## Types, lint, laws of the house, generated files, front end.
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/vulture
	.venv/bin/intellicall reference --check
	cd web && npm run --silent check

bench: ## Print the table of the speed budget beside raw Asterisk, and store it as JSON.
	@scripts/prepare test
	@$(PYTHON) -m bench $(BENCH)

soak: ## Play every crash point, then let seeded kills strike 20 calls a second for ten minutes and judge every call: make soak SOAK="--minutes 60 --seed 7".
	@scripts/prepare test
	@$(PYTHON) -m tests.faults
	@$(PYTHON) -m tests.storm $(SOAK)

reference: ## Write the generated documentation again.
	.venv/bin/intellicall reference --write

lock: ## Resolve the dependencies again.
	@scripts/lock

pages: ## Build the web pages.
	cd web && npm ci && npm run build

clean: ## Remove what was built; the demo's state and the fetched engine stay.
	rm -rf .venv web/node_modules src/intellicall/web/pages .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
