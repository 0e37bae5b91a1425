"""The exported DAGs in a real Airflow, which `make test-airflow` installs beside the project."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from doors import environment, run

from viecomrec.adapters.occurrences import OccurrenceStore
from viecomrec.domain.occurrences import Cause, State
from viecomrec.paths import ProjectPaths

AIRFLOW = os.environ.get("VIECOMREC_AIRFLOW", "")
pytestmark = pytest.mark.skipif(
    not AIRFLOW, reason="needs Airflow: make test-airflow installs it and names it"
)
JOBS = {
    "data_refresh": {"schedule": {"hour": 2}, "module": "automation.data_refresh"},
    "cleanup": {
        "description": "Old files {{ 1 }} 'quoted'",
        "schedule": {"day": 1, "hour": 4},
        "module": "automation.cleanup",
        "args": ["--type", "logs"],
    },
}


@pytest.fixture
def shop(tmp_path):
    (tmp_path / "shop" / "config").mkdir(parents=True)
    config = {"timezone": "Asia/Ho_Chi_Minh", "jobs": JOBS}
    file = tmp_path / "shop" / "config" / "scheduler_config.json"
    file.write_text(json.dumps(config), encoding="utf-8")
    return tmp_path / "shop"


@pytest.fixture
def airflow(shop, tmp_path, repository):
    answer = run(
        "schedule", "export", "--to", "airflow", "--folder", str(tmp_path / "dags"), project=shop
    )
    assert answer.code == 0
    extra = {
        "AIRFLOW_HOME": str(tmp_path / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(tmp_path / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
        # The doors of this checkout, not of another installation.
        "PYTHONPATH": str(repository),
    }

    def call(*arguments):
        done = subprocess.run(
            [Path(AIRFLOW).parent / "airflow", *arguments],
            env=environment(shop, **extra),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    call("db", "migrate")
    return call


def test_airflow_imports_the_dags_and_runs_one(airflow, shop):
    assert "No data found" in airflow("dags", "list-import-errors", "--local")
    lines = airflow("dags", "list", "--local", "-o", "json").splitlines()
    listed = json.loads(next(line for line in lines if line.startswith("[{")))
    assert {dag["dag_id"] for dag in listed} == {"viecomrec_data_refresh", "viecomrec_cleanup"}

    airflow("dags", "test", "viecomrec_cleanup")

    (row,) = OccurrenceStore(ProjectPaths(shop).ledger_file).recent("cleanup")
    assert (row.state, row.cause, row.exit_code) == (State.RAN, Cause.EXTERNAL, 0)
