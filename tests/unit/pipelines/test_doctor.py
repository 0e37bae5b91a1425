import json
import os
import platform
import subprocess
import sys

import pytest
from installation import NEW_MODEL, NOW, write_installation
from loopback import unused_url

from viecomrec.bootstrap import Installation
from viecomrec.paths import ProjectPaths
from viecomrec.pipelines import doctor
from viecomrec.settings import Settings


def page_of(installation):
    settings = installation.settings.model_copy(update={"service_url": unused_url()})
    fresh = Installation(installation.paths, settings, lambda: NOW)
    return doctor.run(fresh.doctor_tools()).as_json()


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def shop(tmp_path):
    return write_installation(tmp_path)


def test_the_page_says_what_is_wrong_and_what_to_type(shop):
    page = page_of(shop)
    assert page["status"] == "critical"
    assert page["problems"][0]["type"] == "Start it: viecomrec serve"
    assert page["models"]["desired"] == NEW_MODEL


def test_looking_changes_no_byte_of_a_bare_installation(tmp_path):
    (tmp_path / "config").mkdir()
    page_of(Installation(ProjectPaths(tmp_path), Settings()))
    assert contents(tmp_path) == {}


def leave_lock(shop, name, pid):
    """What a process leaves behind that ended without a word."""
    holder = {"pid": pid, "host": platform.node(), "since": NOW.isoformat()}
    shop.paths.locks.mkdir(parents=True, exist_ok=True)
    file = shop.paths.locks / f"{name}.lock"
    file.write_text(json.dumps(holder), encoding="utf-8")
    return file


def dead_pid():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_living_and_a_dead_holder_of_a_lock_are_told_apart(shop):
    leave_lock(shop, "model_training", dead_pid())
    with shop.lock("data_refresh"):
        locks = {lock["name"]: lock["found"] for lock in page_of(shop)["locks"]}
    assert "running" in locks["data_refresh"]
    assert "gone: the lock is free" in locks["model_training"]


def test_pitfall_26_a_reused_process_id_is_not_the_holder(shop):
    leave_lock(shop, "model_training", os.getpid())  # this process began long after NOW
    assert "gone" in page_of(shop)["locks"][0]["found"]


def test_it_says_what_is_due_next_and_which_incidents_are_open(shop):
    shop.alerts.send("data_refresh", "error", "broken")
    page = page_of(shop)
    assert page["due"][0] == {"job": "health_check", "at": "2026-01-31T16:00:00"}
    assert {one["job"] for one in page["due"]} >= {"data_refresh", "cleanup"}
    assert page["alerts"]["open_incidents"] == ["data_refresh since 2026-01-31T08:00+00:00"]


def test_it_repairs_what_it_is_told_to_and_nothing_else(shop):
    dead = leave_lock(shop, "model_training", dead_pid())
    view = shop.paths.processed / "data_stats.json"
    view.unlink()
    tools = shop.doctor_tools()
    doctor.repair("views", tools)
    assert view.exists()
    assert dead.exists()
    with shop.lock("data_refresh"):
        assert "model_training" in doctor.repair("dead-locks", tools).message
        assert (shop.paths.locks / "data_refresh.lock").exists()
    assert not dead.exists()


def test_a_damaged_registry_does_not_stop_the_doctor(shop):
    shop.paths.registry_file.write_text("{", encoding="utf-8")
    assert "damaged" in page_of(shop)["models"]["error"]
