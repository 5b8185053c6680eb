# PYTHON is a virtual environment's, with overflowscope[dev] installed.
PYTHON ?= .venv/bin/python

.PHONY: check fix bench

check:
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	$(PYTHON) -m pytest

fix:
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

bench:
	$(PYTHON) benchmarks/startup.py
	$(PYTHON) benchmarks/bounds.py
