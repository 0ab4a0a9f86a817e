# Each target makes .venv when it is missing or older than pyproject.toml or constraints.txt, then does its job.
#   make demo     train the guides on scikit-learn's digits; pictures in demo-output/
#   make test     all tests              (make test ARGS="-k gamma" for some of them; WORKERS=4 for more processes)
#   make lint     ruff and mypy          (make format rewrites the files as ruff wants them)
#   make bench    the accuracy and speed tables of docs/ (`python -m benchmarks.hvae`, an hour, has its own)
#   make tutorials  run every notebook from top to bottom, shortened; `tutorials/run.py --write NAME` renews one
#   make docs     pages, notebooks and API reference as HTML in build/docs/; a warning is an error
#   make versions  a slice of the tests under the lowest and the newest versions, each in an environment of its own
#   make clean    remove what the targets above made, but for .venv, where only the tests' compiled programs go
# With another interpreter than python3: make PYTHON3=python3.12 ...

PYTHON3 ?= python3
WORKERS ?= 2
ARGS ?=

VENV := .venv
PYTHON := $(VENV)/bin/python
READY := $(VENV)/.ready

# One thread in each process, so that parallel tests do not fight for the cores and timings compare like with like.
# PyTorch and the BLAS libraries read *_NUM_THREADS. JAX's CPU thread pool reads NPROC; the flag
# --xla_cpu_multi_thread_eigen=false no longer holds it back (seen in jaxlib 0.10).
ONE_THREAD := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 NPROC=1

# What the tests compile for NumPyro is most of their time, and the same in the next run; the small programs, one for
# each operation outside of jit, are mostly the same in the other processes too, and are read in a third of the time.
KEPT := JAX_COMPILATION_CACHE_DIR=$(abspath $(VENV))/jax-cache JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS=0 \
	JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES=-1

.PHONY: demo test lint format bench tutorials docs versions clean
.DEFAULT_GOAL := test

# Always under the constraints: they pin PyTorch, whose newest release brings several gigabytes of CUDA libraries.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON3) -c 'import sys; sys.exit("Python 3.11 or newer is needed; name one: make PYTHON3=python3.12" if sys.version_info < (3, 11) else 0)'
	test -x $(PYTHON) || $(PYTHON3) -m venv $(VENV)
	$(PYTHON) -m pip install --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $@

demo: $(READY)
	$(PYTHON) -m demo $(ARGS)

test: $(READY)
	$(ONE_THREAD) $(KEPT) $(PYTHON) -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

lint: $(READY)
	$(PYTHON) -m ruff check
	$(PYTHON) -m ruff format --check
	$(PYTHON) -m mypy

format: $(READY)
	$(PYTHON) -m ruff check --fix
	$(PYTHON) -m ruff format

bench: $(READY)
	$(ONE_THREAD) $(PYTHON) -m benchmarks.accuracy
	$(ONE_THREAD) $(PYTHON) -m benchmarks.distributions
	$(ONE_THREAD) $(PYTHON) -m benchmarks.speed

tutorials: $(READY)
	SMOKE=1 $(ONE_THREAD) $(PYTHON) tutorials/run.py --jobs $(WORKERS) $(ARGS)

docs: $(READY)
	$(PYTHON) -m sphinx -c docs -b html -q -W --keep-going . build/docs
	@echo build/docs/index.html

versions:
	$(PYTHON3) tests/versions.py lowest --python $(PYTHON3) $(ARGS)
	$(PYTHON3) tests/versions.py newest --python $(PYTHON3) $(ARGS)

clean:
	rm -rf build dist demo-output $(VENV)/jax-cache .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -path ./$(VENV) -prune -o -type d -name __pycache__ -exec rm -rf {} +
