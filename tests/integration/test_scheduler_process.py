"""Real schedulers as processes: started, killed, stopped and started again."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest
from waiting import wait_for

from viecomrec.adapters import detached
from viecomrec.bootstrap import Installation
from viecomrec.paths import ProjectPaths
from viecomrec.pipelines.scheduler_management import begin_run
from viecomrec.settings import Settings

TESTS = Path(__file__).resolve().parent.parent
PATIENCE = 90


class Shop:
    """A project folder, its scheduler processes, and what its files say."""

    def __init__(self, root):
        self.root = root
        self.processes = []
        self.write_models(1)
        (root / "config").mkdir()
        self.set(drain_seconds=2)

    def set(self, drain_seconds):
        settings = {"scheduler": {"grace_seconds": 1, "drain_seconds": drain_seconds}}
        (self.root / "config" / "settings.json").write_text(json.dumps(settings))

    @property
    def installation(self):
        return Installation(ProjectPaths(self.root), Settings())

    @property
    def store(self):
        return self.installation.management_tools().run_tools.store

    def write_models(self, n_models):
        """A registry of that many models; with none the first start runs its chain."""
        file = self.root / "artifacts" / "cf" / "registry.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"models": {str(n): {} for n in range(n_models)}}))

    def configure(self, jobs, **changes):
        """Jobs by name -> Python text; none is due by itself in the next hours."""
        content = {"timezone": "UTC", "jobs": {}}
        for name, code in jobs.items():
            content["jobs"][name] = {
                "schedule": {"month": 2, "day": 29, "hour": 0},
                "module": f"automation.{name}",
                "args": [code],
                **changes,
            }
        file = self.root / "config" / "scheduler_config.json"
        file.write_text(json.dumps(content), "utf-8")

    def environment(self):
        return {**os.environ, "PROJECT_DIR": str(self.root), "PYTHONPATH": str(TESTS.parent)}

    def start(self, *command):
        command = command or (str(TESTS / "scheduler_driver.py"),)
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=self.root,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.processes.append(process)
        return process

    def start_and_wait(self, *command):
        process = self.start(*command)
        wait_for(lambda: "scheduler started" in self.log() or process.poll(), "the start")
        return process

    def door(self, *arguments):
        """The exit code and the output of a verb of the scheduler's door."""
        done = subprocess.run(
            [sys.executable, "-m", "automation.scheduler", *arguments],
            cwd=self.root,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout.strip()

    def log(self):
        file = self.root / "logs" / "scheduler" / "scheduler.log"
        return file.read_text("utf-8") if file.exists() else ""

    def status(self):
        file = self.root / "logs" / "scheduler" / "task_status.json"
        return json.loads(file.read_text("utf-8")) if file.exists() else {}

    def alerts(self):
        file = self.root / "logs" / "alerts.jsonl"
        if not file.exists():
            return []
        return [json.loads(line) for line in file.read_text("utf-8").splitlines()]

    def text(self, name):
        file = self.root / name
        return file.read_text() if file.exists() else ""


@pytest.fixture
def shop(tmp_path):
    shop = Shop(tmp_path)
    yield shop
    for process in shop.processes:
        process.kill()
        process.communicate()
    for process in psutil.process_iter(["environ"]):
        if (process.info["environ"] or {}).get("PROJECT_DIR") == str(tmp_path):
            with contextlib.suppress(psutil.NoSuchProcess):  # it ended meanwhile
                process.kill()
    for child in detached._children:
        child.wait(PATIENCE)


def note(text):
    return f"import os; open('notes', 'a').write({text!r} + '\\n')"


def begin_by_hand(shop, job):
    """Start a job through the management module, as `run` and the service do."""
    tools = shop.installation.management_tools()
    driver = [sys.executable, "-c", *tools.config().job(job).args]
    run_tools = tools.run_tools
    tools = replace(tools, run_tools=replace(run_tools, command_for=lambda _: driver))
    return begin_run(tools, job)


def test_the_first_start_runs_refresh_embeddings_training_deployment_in_that_order(shop):
    shop.write_models(0)
    names = ("model_deployment", "bert_embeddings", "data_refresh", "model_training")
    shop.configure({name: note(name) for name in names})
    shop.start_and_wait()
    wait_for(lambda: len(shop.status()) == 4, "four results")
    order = ["data_refresh", "bert_embeddings", "model_training", "model_deployment"]
    assert shop.text("notes").split() == order
    entry = shop.status()["data_refresh"]
    assert (entry["status"], entry["exit_code"]) == ("success", 0)
    assert (shop.root / entry["log_file"]).is_file()
    assert entry["log_file"].startswith("logs/scheduler/data_refresh_")


def test_pitfall_24_a_killed_scheduler_leaves_its_job_and_the_next_one_records_it_once(shop):
    shop.write_models(0)
    code = f"import time, sys; {note('begun')}; time.sleep(3); {note('ended')}; sys.exit(3)"
    shop.configure({"data_refresh": code})
    first = shop.start_and_wait()
    wait_for(lambda: "begun" in shop.text("notes"), "the job")
    first.kill()
    first.wait()
    second = shop.start()
    wait_for(lambda: "data_refresh" in shop.status(), "the adopted result")
    assert shop.text("notes").split() == ["begun", "ended"]
    entry = shop.status()["data_refresh"]
    assert (entry["status"], entry["exit_code"]) == ("failed", 3)
    (row,) = shop.store.recent("data_refresh")
    assert (row.state, row.exit_code, row.attempt) == ("ran", 3, 1)
    assert second.poll() is None


def test_a_second_scheduler_exits_and_says_who_holds_the_project(shop):
    shop.configure({"data_refresh": "pass"})
    first = shop.start_and_wait()
    for file in (shop.root / "logs" / "locks").glob("*.lock"):
        file.unlink()
    code, output = shop.door()
    assert code == 1
    wait_for((shop.root / "logs" / "locks" / "scheduler.lock").exists, "the lock file")
    code, output = shop.door()
    assert (code, f"process {first.pid} on" in output) == (1, True)


DETACHED = """
import subprocess, sys, time
text = "trap '' TERM; echo $$ > hidden; while :; do sleep 1; done"
subprocess.Popen(["setsid", "sh", "-c", text])
open("notes", "a").write("begun ")
time.sleep(60)
"""


@pytest.mark.skipif(os.name == "nt", reason="setsid is POSIX")
def test_pitfall_24_sigterm_drains_then_ends_the_whole_tree_and_exits_0(shop):
    shop.write_models(0)
    shop.configure({"data_refresh": DETACHED})
    process = shop.start_and_wait()
    hidden = int(wait_for(lambda: shop.text("hidden"), "the hidden child"))
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=PATIENCE)
    assert (process.returncode, output.strip().endswith("stopped as asked.")) == (0, True)
    assert not psutil.pid_exists(hidden)
    (row,) = shop.store.recent("data_refresh")
    assert (row.state, row.exit_code) == ("ran", 143)
    assert shop.status()["data_refresh"]["error"] == "stopped on request before it was done"


@pytest.mark.skipif(os.name == "nt", reason="SIGTERM is POSIX")
def test_a_short_job_is_drained_and_keeps_its_own_result(shop):
    shop.write_models(0)
    shop.set(drain_seconds=60)
    shop.configure({"data_refresh": f"import time; {note('begun')}; time.sleep(1)"})
    process = shop.start_and_wait()
    wait_for(lambda: "begun" in shop.text("notes"), "the job")
    process.terminate()
    assert process.wait(PATIENCE) == 0
    (row,) = shop.store.recent("data_refresh")
    assert (row.state, row.exit_code) == ("ran", 0)


def test_a_changed_configuration_is_in_force_within_seconds_and_a_broken_one_never(shop):
    shop.configure({"data_refresh": "pass"})
    shop.start_and_wait()
    file = shop.root / "config" / "scheduler_config.json"
    file.write_text("{ broken")
    wait_for(lambda: "is not valid JSON: line 1" in shop.log(), "the refusal")
    alert = wait_for(shop.alerts, "the alert")[-1]
    assert "The last good configuration stays in force" in alert["message"]
    file.unlink()
    wait_for(lambda: "has disappeared" in shop.log(), "the second refusal")
    shop.configure({"data_refresh": "pass", "cleanup": "pass"})
    wait_for(lambda: "configuration reloaded" in shop.log(), "the reload")


def test_pitfall_29_a_module_that_does_not_exist_is_a_row_a_status_and_an_alert(shop):
    shop.write_models(0)
    shop.configure({"data_refresh": ""}, module="automation.nowhere", args=[])
    shop.start_and_wait("-m", "automation.scheduler")
    entry = wait_for(lambda: shop.status().get("data_refresh"), "the result")
    assert entry["exit_code"] == 1
    assert "No module named automation.nowhere" in entry["error"]
    assert shop.store.recent("data_refresh")[0].has_failed
    alert = wait_for(shop.alerts, "the alert")[-1]
    assert (alert["pipeline_name"], alert["severity"]) == ("data_refresh", "error")
    assert "No module named automation.nowhere" in alert["message"]


def test_the_verbs_start_status_run_disable_stop_work_without_signals(shop):
    shop.configure({"health_check": ""}, args=["--component", "data"])
    assert shop.door("stop") == (0, '{"status": "skipped", "message": "No scheduler runs."}')
    code, output = shop.door("start", "--background")
    assert (code, "runs in the background" in output) == (0, True)
    code, output = shop.door("run", "health_check")
    assert (code, json.loads(output)["job_exit_code"]) == (1, 1)  # there is no data: critical
    assert shop.door("disable", "health_check")[0] == 0
    code, output = shop.door("status", "--json")
    content = json.loads(output)
    assert (code, content["running"]) == (0, True)
    job = content["jobs"]["health_check"]
    assert (job["enabled"], job["last"]["status"]) == (False, "failed")
    table = shop.door("status")[1]
    assert "The scheduler runs: process" in table
    assert "health_check  idle (disabled)  failed" in table
    assert "scheduler started" in shop.door("logs")[1]
    assert "data_refresh" in shop.door("logs", "--task", "health_check")[1]
    assert shop.door("stop")[0] == 0
    assert json.loads(shop.door("status", "--json")[1])["running"] is False


def test_a_job_run_by_hand_while_it_runs_is_skipped(shop):
    shop.configure({"data_refresh": "import time; time.sleep(20)"})
    assert begin_by_hand(shop, "data_refresh") is not None
    code, output = shop.door("run", "data_refresh")
    assert (code, json.loads(output)["message"]) == (0, "Already running")


def test_a_job_whose_pipeline_lock_somebody_holds_is_an_overlap_and_no_run(shop):
    shop.configure({"health_check": ""}, args=["--component", "data"])
    with shop.installation.lock("health_check") as lock:
        assert lock.acquired
        code, output = shop.door("run", "health_check")
    assert (code, json.loads(output)["status"]) == (0, "skipped")
    (row,) = shop.store.recent("health_check")
    assert (row.state, row.reason.split(":")[0]) == ("skipped", "overlap")


def test_a_ledger_of_a_newer_version_stops_the_start_with_a_word(shop):
    import sqlite3

    shop.configure({"data_refresh": "pass"})
    shop.store.running()
    connection = sqlite3.connect(shop.root / "logs" / "pipeline_metrics.db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    code, output = shop.door()
    assert (code, "newer version" in output) == (1, True)


def test_a_zone_that_does_not_exist_stops_the_start(shop):
    shop.configure({"data_refresh": "pass"})
    file = shop.root / "config" / "scheduler_config.json"
    file.write_text(file.read_text().replace('"UTC"', '"Asia/Saigon2"'))
    code, output = shop.door()
    assert (code, "Asia/Saigon2" in output) == (2, True)
    assert shop.door("--check")[0] == 2


def test_check_prints_the_next_three_times_of_each_job_in_its_zone(shop):
    file = shop.root / "config" / "scheduler_config.json"
    file.write_text((TESTS.parent / "config" / "scheduler_config.json").read_text())
    code, output = shop.door("--check")
    content = json.loads(output)
    assert (code, content["timezone"]) == (0, "Asia/Ho_Chi_Minh")
    assert len(content["next_runs"]) == 7
    for times in content["next_runs"].values():
        assert len(times) == 3
        assert all(time.endswith("+07:00") for time in times)


class Watchman(BaseHTTPRequestHandler):
    """Somebody outside who notes each sign of life, as a healthchecks server does."""

    def do_POST(self):
        self.server.signs.append(self.path)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


def test_the_scheduler_tells_somebody_outside_that_it_lives(shop):
    with ThreadingHTTPServer(("127.0.0.1", 0), Watchman) as watchman:
        watchman.signs = []
        threading.Thread(target=watchman.serve_forever, daemon=True).start()
        file = shop.root / "config" / "settings.json"
        settings = json.loads(file.read_text("utf-8"))
        url = f"http://127.0.0.1:{watchman.server_port}/watch"
        settings["ping"] = {"urls": {"scheduler": url}}
        file.write_text(json.dumps(settings), "utf-8")
        shop.configure({"health_check": note("ran")})
        shop.start_and_wait()
        wait_for(lambda: "/watch" in watchman.signs, "a sign of life")
        watchman.shutdown()
    assert watchman.signs[:2] == ["/watch/start", "/watch"]
