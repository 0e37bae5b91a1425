"""The guide's lines about the scheduler, its files and its management."""

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from datetime import datetime

import pytest
from waiting import wait_for


@pytest.fixture
def shop(tmp_path, repository):
    (tmp_path / "config").mkdir()
    shutil.copy(repository / "config" / "scheduler_config.json", tmp_path / "config")
    registry = tmp_path / "artifacts" / "cf" / "registry.json"
    registry.parent.mkdir(parents=True)
    registry.write_text('{"models": {"one": {}}}')
    return tmp_path


def run(command, shop, repository, **environment):
    return subprocess.run(
        command,
        cwd=shop,
        env={
            **os.environ,
            "PROJECT_DIR": str(shop),
            "PYTHONPATH": str(repository),
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
    )


def door(shop, repository, *arguments, **environment):
    command = [sys.executable, "-m", "automation.scheduler", *arguments]
    return run(command, shop, repository, **environment)


def next_runs(shop, repository, **environment):
    done = door(shop, repository, "--check", **environment)
    assert done.returncode == 0, done.stdout
    return json.loads(done.stdout)


GUIDE_TIMES = {
    "data_refresh": (None, "02:00:00"),
    "model_deployment": (None, "05:00:00"),
    "bert_embeddings": ("Tue", "03:00:00"),
    "drift_detection": ("Mon", "09:00:00"),
    "model_training": ("Sun", "03:00:00"),
    "cleanup": (None, "04:00:00"),
}


def test_the_jobs_come_at_the_times_of_the_guides_picture(shop, repository):
    content = next_runs(shop, repository, TZ="Asia/Ho_Chi_Minh")
    assert content["timezone"] == "Asia/Ho_Chi_Minh"
    for job, (weekday, clock) in GUIDE_TIMES.items():
        for text in content["next_runs"][job]:
            at = datetime.fromisoformat(text)
            assert at.strftime("%H:%M:%S") == clock
            assert weekday in {None, at.strftime("%a")}
    assert all(text[14:16] == "00" for text in content["next_runs"]["health_check"])
    assert all(text[8:10] == "01" for text in content["next_runs"]["cleanup"])  # monthly


GUIDE_CONFIGURATION = """
{
  "timezone": "Asia/Ho_Chi_Minh",
  "jobs": {
    "data_refresh": {
      "enabled": true,
      "description": "Daily data refresh from raw CSV files",
      "schedule": {"hour": 2, "minute": 0},
      "module": "automation.data_refresh",
      "args": []
    },
    "bert_embeddings": {
      "enabled": true,
      "schedule": {"day_of_week": "tue", "hour": 3, "minute": 0},
      "module": "automation.bert_embeddings"
    },
    "drift_detection": {
      "enabled": true,
      "schedule": {"day_of_week": "mon", "hour": 9, "minute": 0},
      "module": "automation.drift_detection"
    },
    "model_training": {
      "enabled": true,
      "schedule": {"day_of_week": "sun", "hour": 3, "minute": 0},
      "module": "automation.model_training",
      "args": ["--auto-select"]
    },
    "model_deployment": {
      "enabled": true,
      "schedule": {"hour": 5, "minute": 0},
      "module": "automation.model_deployment"
    },
    "health_check": {
      "enabled": true,
      "schedule": {"minute": 0},
      "module": "automation.health_check"
    }
  }
}
"""


def test_the_guides_configuration_to_the_letter_is_accepted(shop, repository):
    file = shop / "config" / "scheduler_config.json"
    file.write_text(GUIDE_CONFIGURATION)
    content = next_runs(shop, repository, TZ="")
    assert sorted(content["next_runs"]) == sorted(json.loads(GUIDE_CONFIGURATION)["jobs"])


def read_json(file):
    return json.loads(file.read_text("utf-8")) if file.exists() else {}


def test_the_blocking_scheduler_writes_the_status_the_logs_and_the_metrics_database(
    shop, repository
):
    (shop / "artifacts" / "cf" / "registry.json").unlink()  # the first start runs the chain
    process = subprocess.Popen(
        [sys.executable, "-m", "automation.scheduler"],
        cwd=shop,
        env={**os.environ, "PROJECT_DIR": str(shop), "PYTHONPATH": str(repository), "TZ": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        status_file = shop / "logs" / "scheduler" / "task_status.json"
        status = wait_for(lambda: read_json(status_file).get("data_refresh"))
    finally:
        process.terminate()
        output, _ = process.communicate(timeout=90)
    assert (process.returncode, json.loads(output)["status"]) == (0, "success")
    # There is no data, so the refresh failed, and the file says so as in the guide.
    assert (status["status"], status["exit_code"]) == ("failed", 1)
    assert "data_reviews_purchase.csv" in status["error"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", status["timestamp"])
    assert re.fullmatch(r"logs/scheduler/data_refresh_\d{8}_\d{6}\.log", status["log_file"])
    assert (shop / status["log_file"]).is_file()
    assert "scheduler started" in (shop / "logs" / "scheduler" / "scheduler.log").read_text()
    connection = sqlite3.connect(shop / "logs" / "pipeline_metrics.db")
    (row,) = connection.execute(
        "SELECT run_id, pipeline_name, start_time, end_time, status, config, result, error_message "
        "FROM pipeline_runs"
    )
    connection.close()
    assert (row[1], row[4], row[7]) == ("data_refresh", "failed", status["error"])
    assert isinstance(json.loads(row[5]), dict)


HOLDER = """
import time
from scripts.utils import PipelineLock
with PipelineLock("data_refresh", timeout=3600) as lock:
    print(lock.acquired, flush=True)
    input()
"""


def test_a_pipelines_lock_file_tracks_the_process_and_is_gone_after_a_safe_exit(shop, repository):
    visible = shop / "logs" / "locks" / "data_refresh.lock"
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER],
        cwd=shop,
        env={**os.environ, "PROJECT_DIR": str(shop), "PYTHONPATH": str(repository)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "True\n"
    assert read_json(visible)["pid"] == process.pid
    refresh = [sys.executable, "-m", "automation.data_refresh"]
    answer = run(refresh, shop, repository)
    assert json.loads(answer.stdout) == {"status": "skipped", "message": "Already running"}
    assert answer.returncode == 0
    process.communicate("go on\n", timeout=30)
    assert not visible.exists()


def test_a_lock_whose_holder_was_killed_is_stale_and_cleans_up_by_itself(shop, repository):
    killed = HOLDER.replace("input()", "import os; os.kill(os.getpid(), 9)")
    run([sys.executable, "-c", killed], shop, repository)
    visible = shop / "logs" / "locks" / "data_refresh.lock"
    assert visible.exists()
    done = run([sys.executable, "-c", HOLDER.replace("input()", "pass")], shop, repository)
    assert done.stdout == "True\n"
    assert not visible.exists()


def test_tz_wins_over_the_file_and_the_file_over_utc(shop, repository):
    assert next_runs(shop, repository, TZ="Europe/Berlin")["timezone"] == "Europe/Berlin"
    assert next_runs(shop, repository, TZ="")["timezone"] == "Asia/Ho_Chi_Minh"
    file = shop / "config" / "scheduler_config.json"
    content = json.loads(file.read_text())
    del content["timezone"]
    file.write_text(json.dumps(content))
    assert next_runs(shop, repository, TZ="")["timezone"] == "UTC"


def test_without_a_file_the_shipped_jobs_come_in_the_shipped_zone(shop, repository):
    (shop / "config" / "scheduler_config.json").unlink()
    content = next_runs(shop, repository, TZ="")
    assert content["timezone"] == "Asia/Ho_Chi_Minh"
    assert content["next_runs"]["data_refresh"][0].endswith("T02:00:00+07:00")


def test_manage_scheduler_sh_starts_shows_and_stops(shop, repository):
    if os.name == "nt":
        pytest.skip("a POSIX shell script")
    script = str(repository / "manage_scheduler.sh")
    try:
        started = run([script, "start", "--background"], shop, repository)
        assert json.loads(started.stdout)["status"] == "success", started.stderr
        assert "The scheduler runs: process" in run([script, "status"], shop, repository).stdout
        assert "scheduler started" in run([script, "logs"], shop, repository).stdout
        assert (shop / "logs" / "scheduler" / "scheduler.log").is_file()
        assert (shop / "logs" / "locks" / "scheduler.lock").is_file()
        assert (shop / "logs" / "pipeline_metrics.db").is_file()
    finally:
        stopped = run([script, "stop"], shop, repository)
    assert json.loads(stopped.stdout)["status"] == "success"


def test_the_powershell_script_has_the_guides_verbs_and_parameters_and_no_logic(repository):
    text = (repository / "manage_scheduler.ps1").read_text("utf-8")
    for verb in ("start", "stop", "restart", "status", "logs", "run", "enable", "disable"):
        assert f'"{verb}"' in text
    assert "[switch]$Background" in text
    assert '@("-m", "automation.scheduler", $Command)' in text


def test_the_powershell_script_runs(shop, repository):
    shell = shutil.which("pwsh") or shutil.which("powershell")
    if shell is None:
        pytest.skip("PowerShell is not installed")
    script = str(repository / "manage_scheduler.ps1")
    done = run([shell, "-NoProfile", "-File", script, "status"], shop, repository)
    assert "No scheduler runs" in done.stdout


def test_the_service_file_for_systemd_is_accepted(repository, tmp_path):
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd is not installed")
    text = (repository / "docs" / "systemd" / "viecomrec-scheduler.service").read_text("utf-8")
    assert "Type=notify" in text
    assert "WatchdogSec=" in text
    unit = tmp_path / "viecomrec-scheduler.service"
    unit.write_text(text.replace("/opt/viecomrec/.venv/bin/python", sys.executable))
    done = subprocess.run(
        [analyze, "verify", str(unit)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "module",
    [
        "data_refresh",
        "bert_embeddings",
        "model_training",
        "model_deployment",
        "drift_detection",
        "health_check",
        "cleanup",
    ],
)
def test_every_command_of_a_job_takes_an_occurrence(shop, repository, module):
    command = [sys.executable, "-m", f"automation.{module}", "--occurrence", "nonsense"]
    done = run(command, shop, repository)
    assert done.returncode == 2
    assert "'nonsense' is no instant" in json.loads(done.stdout)["message"]
