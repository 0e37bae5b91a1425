"""Hosts whose clocks are ten minutes from the database server's: they are told, and agree."""

import json
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import doors
import pytest
from waiting import wait_for

SKEWED = Path(__file__).resolve().parent.parent / "skewed_door.py"
PATIENCE = 120


def skewed(seconds, *command, project, **environment):
    return subprocess.Popen(
        [sys.executable, str(SKEWED), str(seconds), *command],
        cwd=doors.REPOSITORY,
        env=doors.environment(project, PYTHONPATH=str(doors.REPOSITORY), **environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


@pytest.mark.parametrize("seconds", [-600, 600])
def test_the_health_check_of_a_host_whose_clock_is_wrong_says_so(tmp_path, postgres_url, seconds):
    (tmp_path / "config").mkdir()
    process = skewed(seconds, "health_check", "--json", project=tmp_path, DATABASE_URL=postgres_url)
    out, log = process.communicate(timeout=PATIENCE)
    checks = json.loads(out)["components"]["pipelines"]["checks"]
    clock = next(check for check in checks if check["name"] == "clock")
    assert clock["status"] == "warning", log
    assert "by the clock of the database server" in clock["found"]
    assert clock["action"] == "Set the clock right (time synchronisation)"


@pytest.mark.parametrize("seconds", [-600, 600])
def test_a_scheduler_whose_clock_is_wrong_leads_by_the_servers_and_says_so(
    tmp_path, postgres_url, seconds
):
    (tmp_path / "config").mkdir()
    settings = {
        "DATABASE_URL": postgres_url,
        "VIECOMREC_HOST_ID": "off",
        "VIECOMREC_DATABASE__LEASE_SECONDS": "240",  # longer than any stall of this machine
    }
    process = skewed(seconds, "scheduler", project=tmp_path, **settings)
    log = tmp_path / "logs" / "scheduler" / "scheduler.log"
    try:
        wait_for(lambda: log.exists() and "scheduler started" in log.read_text("utf-8"))
        assert "clock differs from the database server's" in log.read_text("utf-8")
        told = doors.run("scheduler", "status", "--json", project=tmp_path, **settings).result
        assert told["role"] == "leads"
        since, until = (datetime.fromisoformat(told["leader"][k]) for k in ("since", "lease_until"))
        assert timedelta(0) < until - since < timedelta(minutes=9)
        stop = doors.run("scheduler", "stop", project=tmp_path, DATABASE_URL=postgres_url)
        assert stop.code == 0, stop
        process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        process.communicate()
