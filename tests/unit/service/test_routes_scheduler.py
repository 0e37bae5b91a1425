"""The scheduler's routes, asked over HTTP in this process, on a real ledger and real files."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from viecomrec.adapters import detached
from viecomrec.bootstrap import Installation
from viecomrec.domain.api_state import InvalidAnswer
from viecomrec.domain.occurrences import Cause, OccurrenceRecord, State
from viecomrec.paths import ProjectPaths
from viecomrec.service.routes_scheduler import scheduler_routes
from viecomrec.service.security import TokenGuard
from viecomrec.settings import Settings

NOW = datetime(2026, 1, 30, 3, 0, tzinfo=UTC)
TOKEN = "a-token-for-tests-only-0123456789"


@pytest.fixture
def installation(tmp_path):
    (tmp_path / "config").mkdir()
    return Installation(ProjectPaths(tmp_path), Settings(), lambda: NOW)


@pytest.fixture
def client(installation):
    app = FastAPI()
    app.include_router(scheduler_routes(installation, TokenGuard(TOKEN)))
    return TestClient(app, headers={"Authorization": f"Bearer {TOKEN}"})


ROUTES = [
    ("GET", "/scheduler/status"),
    ("GET", "/scheduler/jobs"),
    ("GET", "/scheduler/jobs/data_refresh"),
    ("GET", "/scheduler/logs"),
    ("GET", "/scheduler/logs/data_refresh"),
    ("GET", "/scheduler/history"),
    ("POST", "/scheduler/jobs/data_refresh/run"),
    ("POST", "/scheduler/jobs/data_refresh/enable"),
    ("POST", "/scheduler/jobs/data_refresh/disable"),
    ("PUT", "/scheduler/jobs/data_refresh/schedule"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_pitfall_36_every_route_asks_for_the_token(client, installation, method, path):
    del client.headers["Authorization"]
    assert client.request(method, path, json={"hour": 3}).status_code == 401
    assert not installation.paths.scheduler_config_file.exists()
    assert not installation.paths.logs.exists()


def test_status_and_jobs_show_the_shipped_jobs_with_their_next_times(client):
    status = client.get("/scheduler/status").json()
    assert (status["running"], len(status["jobs"])) == (False, 7)
    assert status["jobs"]["data_refresh"]["state"] == "idle"
    jobs = {job["job"]: job for job in client.get("/scheduler/jobs").json()}
    assert jobs["model_training"]["after"] == ["data_refresh"]
    one = client.get("/scheduler/jobs/model_training").json()
    assert one == jobs["model_training"]
    assert len(one["next_runs"]) == 3


def test_an_unknown_job_is_404_with_the_jobs_that_exist(client):
    for method, path in (("GET", ""), ("POST", "/run"), ("POST", "/enable"), ("PUT", "/schedule")):
        answer = client.request(method, f"/scheduler/jobs/nobody{path}", json={"hour": 1})
        assert (answer.status_code, "data_refresh" in answer.json()["detail"]) == (404, True)


def test_pitfall_33_a_partial_schedule_keeps_the_other_fields(client, installation):
    answer = client.put("/scheduler/jobs/model_training/schedule", json={"hour": 4})
    assert answer.json()["schedule"] == {"day_of_week": "sun", "hour": 4, "minute": 0}
    content = json.loads(installation.paths.scheduler_config_file.read_text("utf-8"))
    job = content["jobs"]["model_training"]
    assert job["schedule"] == {"day_of_week": "sun", "hour": 4, "minute": 0}
    assert job["args"] == ["--auto-select"]
    answer = client.put("/scheduler/jobs/model_training/schedule", json={"day_of_week": None})
    assert answer.json()["schedule"] == {"hour": 4, "minute": 0}


def test_a_schedule_that_is_not_allowed_is_422_and_changes_nothing(client, installation):
    answer = client.put("/scheduler/jobs/model_training/schedule", json={"day_of_week": 7})
    assert (answer.status_code, "mon, tue" in answer.json()["detail"]) == (422, True)
    assert not installation.paths.scheduler_config_file.exists()
    assert client.put("/scheduler/jobs/model_training/schedule", json=[1]).status_code == 422


@pytest.mark.parametrize("fields", [{"day_of_week": 7}, {"hour": [1]}])
def test_what_is_wrong_with_a_schedule_is_told_as_described(client, fields):
    route = client.get("/openapi.json").json()["paths"]["/scheduler/jobs/{job_id}/schedule"]
    described = route["put"]["responses"]["422"]["content"]["application/json"]["schema"]
    assert described == {"$ref": f"#/components/schemas/{InvalidAnswer.__name__}"}
    answer = client.put("/scheduler/jobs/model_training/schedule", json=fields)
    assert answer.status_code == 422
    assert InvalidAnswer.model_validate(answer.json()).detail


@pytest.mark.parametrize("fields", [{"module": "os"}, {"args": "--x"}, {"hour": 1, "module": "os"}])
def test_pitfall_36_the_api_cannot_change_what_a_job_runs(client, installation, fields):
    answer = client.put("/scheduler/jobs/model_training/schedule", json=fields)
    assert answer.status_code == 422
    assert not installation.paths.scheduler_config_file.exists()
    assert client.get("/scheduler/jobs/model_training").json()["args"] == ["--auto-select"]


def test_disable_and_enable_are_written_into_the_configuration(client):
    assert client.post("/scheduler/jobs/cleanup/disable").json()["status"] == "success"
    assert client.get("/scheduler/jobs/cleanup").json()["enabled"] is False
    client.post("/scheduler/jobs/cleanup/enable")
    assert client.get("/scheduler/jobs/cleanup").json()["enabled"] is True


def test_history_says_why_a_run_did_not_happen(client, installation):
    store = installation.management_tools().run_tools.store
    for days, state, reason in ((1, State.SKIPPED, "paused: disabled"), (20, State.MISSED, "late")):
        nominal = NOW - timedelta(days=days)
        row = OccurrenceRecord(
            job="model_training",
            nominal_utc=nominal,
            nominal_day=nominal.date(),
            state=state,
            cause=Cause.SCHEDULE,
            reason=reason,
            decided_at_utc=NOW,
        )
        store.claim(row)
    (row,) = client.get("/scheduler/history", params={"job": "model_training"}).json()
    assert (row["state"], row["reason"]) == ("skipped", "paused: disabled")
    assert len(client.get("/scheduler/history", params={"days": 30}).json()) == 2


def test_pitfall_37_logs_are_shown_by_task_and_never_by_path(client, installation):
    logs = installation.paths.scheduler_logs
    logs.mkdir(parents=True)
    (logs / "scheduler.log").write_text("a\nb\n")
    (logs / "data_refresh_20260130_020000.log").write_text("x\ny\n")
    (logs / "data_refresh_eu_20260130_020000.log").write_text("other\n")
    assert client.get("/scheduler/logs").json()["lines"] == ["a", "b"]
    answer = client.get("/scheduler/logs/data_refresh", params={"lines": 1}).json()
    assert answer == {"file": "logs/scheduler/data_refresh_20260130_020000.log", "lines": ["y"]}
    for task in ("nothing", "..%2F..%2Fetc%2Fpasswd", "%2A"):
        assert client.get(f"/scheduler/logs/{task}").status_code == 404
    assert client.get("/scheduler/logs", params={"lines": 10**9}).status_code == 422


def test_run_starts_the_job_and_says_409_while_it_runs(client, installation):
    answer = client.post("/scheduler/jobs/health_check/run")
    assert (answer.status_code, answer.json()["job"]) == (202, "health_check")
    assert client.post("/scheduler/jobs/health_check/run").status_code == 409
    detached._children[-1].wait(30)
    ((spec, end),) = installation.management_tools().run_tools.runs.ended()
    assert (spec.job, spec.cause, end.exit_code) == ("health_check", "hand", 1)
