# Every target works on a fresh machine with Python 3.11, pip and make.
PYTHON ?= python3
VENV := .venv
ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif
READY := $(VENV)/.ready

.PHONY: setup demo serve test check lint types architecture

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	@echo "Installing into $(VENV); the first time takes some minutes"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[dev]"
	$(BIN)/python -c "import pathlib; pathlib.Path('$(READY)').touch()"

demo: setup
	$(BIN)/python -m automation.cli demo

serve: setup
	$(BIN)/python -m automation.cli serve --demo

test: setup
	$(BIN)/python -m pytest -m "not browser"

# What failed in the last run, and nothing else.
.PHONY: test-failed
test-failed: setup
	$(BIN)/python -m pytest -m "not browser" -rA --last-failed --last-failed-no-failures none

.PHONY: test-browser screenshots
test-browser: setup
	$(BIN)/python -m pytest -m browser

screenshots: setup
	$(BIN)/python tests/browser/screenshots.py

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

architecture: setup
	$(BIN)/lint-imports

check: lint types architecture
	$(BIN)/python -m pytest -m "not browser" --cov --cov-report=term:skip-covered

# Installs Airflow into a folder of its own, and runs the exported DAGs in it.
.PHONY: test-airflow
AIRFLOW_VENV ?= $(or $(TMPDIR),/tmp)/viecomrec-airflow
test-airflow: setup
	$(PYTHON) -m venv $(AIRFLOW_VENV)
	$(AIRFLOW_VENV)/bin/python -m pip install --quiet "apache-airflow==3.3.2" apache-airflow-providers-standard
	VIECOMREC_AIRFLOW=$(AIRFLOW_VENV)/bin/python $(BIN)/python -m pytest tests/integration/test_airflow.py

# Needs Java 17; installs pyspark, and runs every test that goes through Spark.
.PHONY: test-spark
test-spark: setup
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[spark]"
	$(BIN)/python -m pytest tests/integration/test_spark_refresh.py tests/integration/test_spark_training.py

.PHONY: bench-drift
bench-drift: setup
	$(BIN)/python benchmarks/bench_drift.py

.PHONY: bench-scheduler soak stateful
bench-scheduler: setup
	$(BIN)/python benchmarks/bench_scheduler_idle.py

# 200 real kills of the scheduler; about a quarter of an hour. Then 20 kills of the service
# while 10,000 events come in.
soak: setup
	PYTHONPATH=. $(BIN)/python tests/soak.py 200 > benchmarks/results/scheduler_soak.json \
		|| (cat benchmarks/results/scheduler_soak.json; exit 1)
	PYTHONPATH=.:tests $(BIN)/python tests/ingest_soak.py 10000 20

# Two schedulers and a database that is away for a minute, with the lease time of production;
# needs PostgreSQL. Some minutes.
.PHONY: soak-hosts
soak-hosts: setup
	VIECOMREC_TEST_LEASE_SECONDS=15 VIECOMREC_TEST_OUTAGE_SECONDS=60 VIECOMREC_TEST_STOP_SECONDS=60 \
		$(BIN)/python -m pytest tests/integration/test_two_hosts.py

# 250,000 steps of the scheduler's stateful model instead of the 10,000 of `make test`.
stateful: setup
	VIECOMREC_STATEFUL_EXAMPLES=5000 $(BIN)/python -m pytest tests/unit/domain/test_scheduling_stateful.py

# Against plain pandas on a simulated shop of real size, or on an export of ViEcomRec's shape:
# make bench-refresh REFRESH="--export folder --name scale-10"
bench-refresh: setup
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[bench]"
	$(BIN)/python benchmarks/bench_refresh.py $(REFRESH)
	$(BIN)/python benchmarks/bench_comment_quality.py
.PHONY: bench-refresh

# Every step at several sizes: make bench-sizing SIZING="--export 1=folder --export 10=folder --spark 10"
.PHONY: bench-sizing
bench-sizing: setup
	$(BIN)/python benchmarks/bench_sizing.py $(SIZING)

.PHONY: bench-train bench-accuracy
bench-train: setup
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[bench]"
	$(BIN)/python benchmarks/bench_train.py

bench-accuracy: setup
	$(BIN)/python benchmarks/bench_accuracy.py

.PHONY: bench-text bench-embedding-options
bench-text: setup
	$(BIN)/python benchmarks/bench_text.py

bench-embedding-options: setup
	$(BIN)/python benchmarks/bench_embedding_options.py

# Needs wrk (apt-get install wrk).
.PHONY: bench-service reload-under-load
bench-service: setup
	PYTHONPATH=. $(BIN)/python benchmarks/bench_service.py

# Four reloads under wrk with 32 connections, one worker and two; every answer is checked against
# the model that it names.
reload-under-load: setup
	PYTHONPATH=. $(BIN)/python benchmarks/bench_service.py --only-reloads

.PHONY: bench-console
bench-console: setup
	$(BIN)/python benchmarks/bench_console.py

# Thousands of generated requests against the description of the API.
.PHONY: fuzz
fuzz: setup
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[fuzz]"
	VIECOMREC_FUZZ_EXAMPLES=200 $(BIN)/python -m pytest -p no:schemathesis tests/integration/test_service_schema.py

.PHONY: properties
properties: setup
	VIECOMREC_NEW_EXAMPLES=1 $(BIN)/python -m pytest -m hypothesis tests
	VIECOMREC_NEW_EXAMPLES=1 $(BIN)/python -m pytest tests/integration/test_incremental_equals_full.py

.PHONY: bench-shops
bench-shops: setup
	$(BIN)/python benchmarks/bench_shops.py
