"""Section 5 of the guide, line by line: components, flags, status levels, JSON, exit codes."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import doors
import pytest
from installation import NEW_MODEL, write_installation
from loopback import LoopbackService, running

from viecomrec.bootstrap import Installation


@pytest.fixture
def shop(tmp_path):
    installation = write_installation(tmp_path)
    installation.registry.update(lambda one: one.confirm(NEW_MODEL).promote(NEW_MODEL))
    installation.paths.installation_file.write_text('{"installation_id": "here"}')
    # Runs are recorded by the real clock, as the doors do.
    return Installation(installation.paths, installation.settings)


@pytest.fixture
def service():
    with running(LoopbackService(live=NEW_MODEL, models=(NEW_MODEL,))) as served:
        yield served


def health_check(shop, *flags, url=None):
    extra = {"SERVICE_URL": url} if url else {}
    return doors.run(
        "health_check", *flags, project=shop.paths.root, TZ="Asia/Ho_Chi_Minh", **extra
    )


def test_the_json_has_the_keys_of_the_guide(shop, service):
    answer = health_check(shop, "--json", url=service.url)
    assert list(answer.result) == ["timestamp", "timestamp_utc", "overall_status", "components"]
    assert datetime.fromisoformat(answer.result["timestamp"]).tzinfo is None
    components = answer.result["components"]
    assert list(components) == ["service", "data", "models", "pipelines"]
    for component in components.values():
        assert component["status"] in {"healthy", "warning", "critical"}
        for check in component["checks"]:
            assert {"name", "status", "looked_at", "found"} <= check.keys()
            assert check["status"] == "healthy" or check["action"]


def test_the_checks_of_the_guides_table_are_made(shop, service):
    components = health_check(shop, url=service.url).result["components"]
    names = {
        name: {check["name"].split(":")[0] for check in component["checks"]}
        for name, component in components.items()
    }
    assert {"api", "model_loaded"} <= names["service"]
    assert {"files", "freshness", "embeddings"} <= names["data"]
    assert {"registry", "current_best", "performance"} <= names["models"]
    assert "stale_runs" in names["pipelines"]


def test_component_all_is_everything(shop, service):
    answer = health_check(shop, "--component", "all", url=service.url)
    assert list(answer.result["components"]) == ["service", "data", "models", "pipelines"]


@pytest.mark.parametrize(("days", "status"), [(6.99, "healthy"), (7.01, "warning")])
def test_data_is_fresh_for_seven_days(tmp_path, days, status):
    shop = write_installation(tmp_path)
    file = shop.snapshots.require_current().folder / "manifest.json"
    manifest = json.loads(file.read_text(encoding="utf-8"))
    built = datetime.now(UTC) - timedelta(days=days)
    file.write_text(json.dumps(manifest | {"created_at_utc": built.isoformat()}))
    checks = health_check(shop, "--component", "data").result["components"]["data"]["checks"]
    assert {one["name"]: one["status"] for one in checks}["freshness"] == status


def test_half_of_the_runs_failed_is_a_warning_and_exit_code_0(shop):
    for _ in range(2):
        shop.ledger.fail_run(shop.ledger.start_run("data_refresh", {}), "disk full")
    shop.ledger.complete_run(shop.ledger.start_run("data_refresh", {}), {})
    answer = health_check(shop, "--component", "pipelines")
    assert (answer.code, answer.result["overall_status"]) == (0, "warning")
    checks = {one["name"]: one for one in answer.result["components"]["pipelines"]["checks"]}
    assert checks["success_rate:data_refresh"]["status"] == "warning"
    assert checks["success_rate:data_refresh"]["found"] == "1 of 3 runs succeeded"


@pytest.mark.skipif(os.name == "nt", reason="kill -9 is POSIX")
def test_a_run_that_was_killed_is_closed_as_failed(shop):
    code = "from scripts.utils import PipelineTracker as T; T().start_run('model_training', {}); "
    code += "import os; os.kill(os.getpid(), 9)"
    # The ledger counts the last seven days of the real clock.
    subprocess.run(
        [sys.executable, "-c", code],
        cwd=doors.REPOSITORY,
        env=doors.environment(shop.paths.root),
        check=False,
    )
    answer = health_check(shop, "--component", "pipelines")
    checks = {one["name"]: one for one in answer.result["components"]["pipelines"]["checks"]}
    assert "1 killed from outside" in checks["stale_runs"]["found"]
    assert shop.ledger.recent_runs("model_training")[0].status == "failed"


def test_the_service_down_is_critical_and_exit_code_1(shop):
    answer = health_check(shop)
    assert (answer.code, answer.result["overall_status"]) == (1, "critical")


@pytest.mark.parametrize("component", ["service", "data", "models", "pipelines"])
def test_a_component_is_checked_alone(shop, service, component):
    answer = health_check(shop, "--component", component, url=service.url)
    assert list(answer.result["components"]) == [component]
    assert answer.code == (1 if answer.result["overall_status"] == "critical" else 0)


def test_alert_sends_on_failures(shop):
    health_check(shop, "--component", "service")
    assert not shop.paths.alerts_file.exists()
    health_check(shop, "--component", "service", "--alert")
    alert = json.loads(shop.paths.alerts_file.read_text(encoding="utf-8"))
    assert (alert["pipeline_name"], alert["severity"]) == ("health_check", "error")


def test_a_health_check_that_found_trouble_is_a_completed_run(shop):
    health_check(shop)
    run = shop.ledger.recent_runs("health_check")[0]
    assert run.status == "completed"
    assert "health_check" not in shop.ledger.get_stats()["stats_by_pipeline"]


@pytest.mark.skipif(os.name == "nt", reason="a pseudo terminal needs POSIX")
def test_on_a_terminal_it_is_a_table_of_80_columns_that_says_what_to_do(shop):
    import pty

    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "automation.health_check", "--component", "service"],
        cwd=doors.REPOSITORY,
        env={**doors.environment(shop.paths.root), "COLUMNS": "80", "TERM": "dumb"},
        stdout=follower,
        stderr=subprocess.DEVNULL,
    )
    os.close(follower)
    shown = b""
    while chunk := _read(leader):
        shown += chunk
    os.close(leader)
    assert process.wait(timeout=60) == 1
    lines = shown.decode().splitlines()
    assert max(map(len, lines)) <= 80
    assert any("critical" in line for line in lines)
    assert "viecomrec serve" in " ".join(" ".join(lines).split()).replace("│ ", "")


def _read(leader):
    try:
        return os.read(leader, 65536)
    except OSError:  # the other side is closed
        return b""
