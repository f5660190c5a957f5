# Caption Desk. `make run` brings the whole product up, `make test` runs every test; both set up what they need.
PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8000
export HOST PORT DATA_DIR

.PHONY: help run test lint bench chaos clean

help:  ## Show what can be made
	@grep -hE '^[a-z]+:.*##' Makefile | sed -E 's/:.*## /\t/' | while IFS="$$(printf '\t')" read -r name words; do printf '  make %-8s %s\n' "$$name" "$$words"; done

run:  ## Set up and run everything on this machine (HOST, PORT, DATA_DIR)
	@$(PYTHON) captionsite/bootstrap.py run

test:  ## Set up and run every check and test
	@$(PYTHON) captionsite/bootstrap.py test

lint:  ## Only the checks: style, types, contracts, migrations, deployment
	@$(PYTHON) captionsite/bootstrap.py lint

bench:  ## Measure, and print one table (results in benchmarks/results)
	@$(PYTHON) captionsite/bootstrap.py bench

chaos:  ## Kill, stop and flush while 500 pictures are captioned, and count
	@$(PYTHON) captionsite/bootstrap.py chaos

clean:  ## Remove the virtual environment and caches; pictures and data stay
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage
