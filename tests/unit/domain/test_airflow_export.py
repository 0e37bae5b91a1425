import ast
from pathlib import PurePosixPath

import pytest

from viecomrec.domain.airflow_export import airflow_dags
from viecomrec.domain.scheduler_config import parse_config
from viecomrec.errors import ConfigurationError

ZONE = "Asia/Ho_Chi_Minh"
PROJECT = PurePosixPath("/srv/my 'shop'")


def config(**jobs):
    content = {name: {"module": f"automation.{name}", **entry} for name, entry in jobs.items()}
    return parse_config({"jobs": content}, "test")


def literals(text):
    """The values of the constants at the top of the file, read without running it."""
    constants = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            constants[node.targets[0].id] = ast.literal_eval(node.value)
    return constants


def test_each_enabled_job_becomes_a_dag_with_its_times_zone_order_and_limits():
    jobs = config(
        data_refresh={"schedule": {"hour": 2}, "timeout_seconds": 90, "retries": 2},
        model_training={"schedule": {"day_of_week": "sun", "hour": 3}, "timeout_seconds": 1000},
        cleanup={"schedule": {"hour": 4}, "enabled": False},
    )
    found = literals(airflow_dags(jobs, ZONE, "/py", PROJECT))
    assert (found["ZONE"], found["PROJECT"]) == (ZONE, str(PROJECT))
    refresh, training = found["JOBS"]["data_refresh"], found["JOBS"]["model_training"]
    assert list(found["JOBS"]) == ["data_refresh", "model_training"]
    assert (refresh["cron"], training["cron"]) == ("00 02 * * *", "00 03 * * 0")
    assert refresh["longest_seconds"] == 3 * 90 + 60 + 120
    # Training may wait for the refresh as long as it may run.
    assert training["longest_seconds"] == 2 * 1000
    assert refresh["retries"] == 2
    assert training["command"] == [
        *("/py", "-m", "automation.model_training"),
        *("--occurrence", "latest", "--as-configured"),
    ]


def test_no_text_of_the_configuration_becomes_code_or_a_template():
    nasty = '"""\'); import os; os.abort() #{{ 1 }} \n {x}'
    jobs = config(
        cleanup={"schedule": {"hour": 4}, "description": nasty, "args": [nasty, "$(id)"]},
    )
    text = airflow_dags(jobs, ZONE, "/py", PROJECT)
    job = literals(text)["JOBS"]["cleanup"]
    assert job["description"] == nasty
    assert job["command"][3:5] == [nasty, "$(id)"]
    imported = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import)]
    assert sorted(name.name for node in imported for name in node.names) == ["pendulum", "shlex"]


def test_days_and_weekdays_together_cannot_be_said_to_airflow():
    jobs = config(cleanup={"schedule": {"day": 1, "day_of_week": "mon"}})
    with pytest.raises(ConfigurationError, match="cron would run it on either"):
        airflow_dags(jobs, ZONE, "/py", PROJECT)
