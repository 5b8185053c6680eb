# PYTHON is a virtual environment's, with overflowscope[dev] installed.
PYTHON ?= .venv/bin/python

# Seconds of fuzzing.
FUZZ ?= 60

.PHONY: check fix bench fuzz

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
	$(PYTHON) benchmarks/stories.py
	$(PYTHON) benchmarks/reference.py
	$(PYTHON) benchmarks/throughput.py
	$(PYTHON) benchmarks/memory.py
	$(PYTHON) benchmarks/rungs.py
	$(PYTHON) benchmarks/radius.py
	$(PYTHON) benchmarks/bounds.py
	$(PYTHON) benchmarks/measuring.py
	$(PYTHON) benchmarks/check.py

fuzz:
	$(PYTHON) -W error tests/fuzz/fuzz_reading.py $(FUZZ)
