"""Kill and restart a real scheduler many times, then count: nothing lost, nothing doubled.

`python tests/soak.py CYCLES [SEED]` prints a report and exits 1 if a count is wrong. A minute
of the scheduler's time passes in a second. Only the scheduler is killed: its jobs go on, and
each nominal time must have one row, and one execution exactly where the row says that it ran.
"""

import json
import os
import platform
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from waiting import wait_for

from viecomrec.domain.scheduler_config import parse_config
from viecomrec.domain.schedules import due_between

TESTS = Path(__file__).resolve().parent
SPEED = 60.0
LAST_RUN_SECONDS = 4.0
SHARE_KILLED_WORKING = 0.8
"""The others are killed wherever they are, most of them while they start."""

NOTE = """
import os, random, sys, time
line = f"{sys.argv[1]} {os.environ['VIECOMREC_NOMINAL_UTC']}\\n"
descriptor = os.open("executions", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
os.write(descriptor, line.encode())
time.sleep(random.random() * 1.2)
"""

JOBS = {
    "data_refresh": {"schedule": {"minute": "*"}},
    "model_training": {"schedule": {"minute": "*/2"}},
    "health_check": {"schedule": {"minute": "*/3"}, "catch_up": "none"},
}


def write_project(root):
    jobs = {
        name: {**entry, "module": f"automation.{name}", "args": [NOTE, name]}
        for name, entry in JOBS.items()
    }
    files = {
        "config/scheduler_config.json": {"timezone": "UTC", "jobs": jobs},
        "config/settings.json": {"scheduler": {"drain_seconds": 10}},
        "artifacts/cf/registry.json": {"models": {"one": {}}},
    }
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(json.dumps(content), "utf-8")


def start(root, origin):
    environment = {**os.environ, "PROJECT_DIR": str(root), "PYTHONPATH": str(TESTS.parent)}
    command = [sys.executable, str(TESTS / "scheduler_driver.py"), str(SPEED), str(origin)]
    with (root / "output").open("ab") as output:
        return subprocess.Popen(
            command, cwd=root, env=environment, stdout=output, stderr=subprocess.STDOUT
        )


def wait_until_it_works(root, process):
    visible = root / "logs" / "locks" / "scheduler.lock"
    ours = f'"pid": {process.pid},'
    wait_for(lambda: visible.exists() and ours in visible.read_text(), "the scheduler")


def run_cycles(root, cycles, seed):
    """Do the cycles in an empty folder and return the report."""
    write_project(root)
    rng, origin = random.Random(seed), time.time()
    for _ in range(cycles):
        process = start(root, origin)
        if rng.random() < SHARE_KILLED_WORKING:
            wait_until_it_works(root, process)
        time.sleep(rng.uniform(0, 2.5))
        process.kill()
        process.wait()
        time.sleep(rng.choice([0, 0, 0.5, 2.5]))
    before = decided(root)
    process = start(root, origin)
    wait_until_it_works(root, process)
    wait_for(lambda: all(decided(root).get(job, "") > before.get(job, "") for job in JOBS), "ticks")
    time.sleep(LAST_RUN_SECONDS)
    process.terminate()
    code = process.wait(60)
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "cycles": cycles,
        "seed": seed,
        "last_exit_code": code,
        **count(root),
    }


def decided(root):
    """Until when each job is decided; nothing before the first scheduler wrote it."""
    try:
        with closing(sqlite3.connect(root / "logs" / "pipeline_metrics.db")) as connection:
            return dict(connection.execute("SELECT job, decided_until_utc FROM job_marks"))
    except sqlite3.OperationalError:
        return {}


def count(root):
    connection = sqlite3.connect(root / "logs" / "pipeline_metrics.db")
    rows = connection.execute(
        "SELECT job, nominal_utc, state, exit_code FROM occurrences"
    ).fetchall()
    marks = dict(connection.execute("SELECT job, decided_until_utc FROM job_marks"))
    connection.close()
    executed = Counter(
        tuple(line.split()) for line in (root / "executions").read_text().splitlines()
    )
    executed = Counter({(job, instant(at)): n for (job, at), n in executed.items()})
    found = {(job, instant(at)): (state, exit_code) for job, at, state, exit_code in rows}
    ran = {key for key, (state, _) in found.items() if state == "ran"}
    return {
        "states": dict(Counter(state for state, _ in found.values())),
        "without_row": [str(key) for key in expected(found, marks) if key not in found],
        "ran_without_execution": [str(key) for key in ran if executed[key] == 0],
        "executed_twice": [str(key) for key, n in executed.items() if n > 1],
        "executed_without_having_run": [str(key) for key in executed if key not in ran],
        "without_result": [str(k) for k in ran if found[k][1] != 0],
        "still_running": [str(k) for k, (state, _) in found.items() if state == "running"],
    }


def expected(found, marks):
    """Every nominal time from the first one on record to the last decision."""
    config = parse_config(
        {"jobs": {n: {**entry, "module": f"automation.{n}"} for n, entry in JOBS.items()}}, "soak"
    )
    for job in config.jobs.values():
        times = [at for name, at in found if name == job.name]
        until = instant(marks[job.name])
        for one in due_between(job.schedule, ZoneInfo("UTC"), min(times), until):
            yield job.name, one.nominal_utc


def instant(text):
    return datetime.fromisoformat(text)


def is_clean(report):
    return report["last_exit_code"] == 0 and not any(
        value for value in report.values() if isinstance(value, list)
    )


def main():
    cycles, seed = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1
    with tempfile.TemporaryDirectory() as folder:
        report = run_cycles(Path(folder), cycles, seed)
    sys.stdout.write(json.dumps(report, indent=2) + "\n")
    return 0 if is_clean(report) else 1


if __name__ == "__main__":
    sys.exit(main())
