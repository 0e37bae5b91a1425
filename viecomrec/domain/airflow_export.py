"""The configured jobs as a file of Airflow DAGs, for Airflow 2.10 and later and for 3."""

from pathlib import PurePath
from pprint import pformat
from typing import Any

from viecomrec.domain.schedule_export import (
    command_of,
    cron_fields,
    enabled_jobs,
    longest_seconds,
)
from viecomrec.domain.scheduler_config import Job, SchedulerConfig

DAG_FILE = "viecomrec_dags.py"

_PROGRAM = '''"""VieComRec: one DAG for each job, written by `viecomrec schedule export`.

Firing twice or late changes nothing: --occurrence latest is done once, whoever asks. The order of
the jobs and their retries are those of config/scheduler_config.json: --as-configured waits for
the jobs upstream of the same day, and a job behind a failed one is skipped.
"""

import shlex
from datetime import timedelta

import pendulum
from airflow.timetables.trigger import CronTriggerTimetable

try:
    from airflow.sdk import DAG
except ImportError:  # Airflow 2
    from airflow import DAG
try:
    from airflow.providers.standard.operators.bash import BashOperator
except ImportError:  # Airflow 2 without the standard provider
    from airflow.operators.bash import BashOperator

PROJECT = {project}
ZONE = {zone}
JOBS = {jobs}


class Command(BashOperator):
    """A command as it stands: nothing in it is a template."""

    template_fields = ()


for name, job in JOBS.items():
    with DAG(
        dag_id=f"viecomrec_{{name}}",
        description=job["description"],
        schedule=CronTriggerTimetable(job["cron"], timezone=ZONE),
        start_date=pendulum.datetime(2026, 1, 1, tz=ZONE),
        catchup=False,
        max_active_runs=1,
        tags=["viecomrec"],
    ) as dag:
        Command(
            task_id=name,
            bash_command="exec " + shlex.join(job["command"]),
            cwd=PROJECT,
            env={{"PROJECT_DIR": PROJECT, "TZ": ZONE}},
            append_env=True,
            execution_timeout=timedelta(seconds=job["longest_seconds"]),
            # A job that failed has had its retries; these are for a worker that was lost.
            retries=job["retries"],
        )
    globals()[dag.dag_id] = dag
'''


def airflow_dags(config: SchedulerConfig, zone: str, python: str, project: PurePath) -> str:
    """A Python file that defines a DAG for each enabled job; every text in it is a literal.

    ConfigurationError for a schedule that cron cannot say.
    """
    jobs = {job.name: _entry(job, python) for job in enabled_jobs(config)}
    return _PROGRAM.format(
        project=repr(str(project)), zone=repr(zone), jobs=pformat(jobs, sort_dicts=False, width=100)
    )


def _entry(job: Job, python: str) -> dict[str, Any]:
    return {
        "description": job.description or f"VieComRec: {job.name}",
        "cron": cron_fields(job),
        "command": command_of(job, python),
        "longest_seconds": longest_seconds(job),
        "retries": job.retries,
    }
