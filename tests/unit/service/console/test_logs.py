"""Logs that cleanup takes away between the moment they are found and the moment they are read."""

from datetime import datetime

import pytest
from installation import TOKEN, write_installation
from starlette.testclient import TestClient

from viecomrec.adapters import run_log
from viecomrec.adapters.worker_board import WorkerBoard
from viecomrec.pipelines import scheduler_management
from viecomrec.service.console import jobs, runs
from viecomrec.service.console.routes import console_app
from viecomrec.service.worker import Worker


@pytest.fixture(scope="module")
def installation(tmp_path_factory):
    return write_installation(tmp_path_factory.mktemp("shop"))


@pytest.fixture
def owner(installation):
    worker = Worker(installation, WorkerBoard(installation.paths.service_workers / "test"))
    with TestClient(console_app(worker, TOKEN), raise_server_exceptions=False) as client:
        session = client.post("/sign-in", data={"token": TOKEN}, follow_redirects=False)
        client.headers["Cookie"] = session.headers["set-cookie"].partition(";")[0]
        yield client
    worker.event_log.close()


def write_log(installation, run_id, started):
    stamp = datetime.fromisoformat(started).strftime("%Y%m%d_%H%M%S")
    file = installation.paths.scheduler_logs / f"cleanup_{stamp}.log"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"run started run_id={run_id}\n", encoding="utf-8")
    return file


def deleted_once_found(find):
    """The same search, after which the file is gone."""

    def found(*arguments):
        file = find(*arguments)
        file.unlink()
        return file

    return found


def test_the_page_of_a_run_answers_when_its_log_is_deleted_before_it_is_read(
    owner, installation, monkeypatch
):
    run_id = installation.ledger.start_run("cleanup", {})
    write_log(installation, run_id, installation.ledger.find_run(run_id).start_time)
    assert f"run_id={run_id}" in owner.get(f"/runs/{run_id}").text
    monkeypatch.setattr(runs, "find_run_log", deleted_once_found(run_log.find_run_log))
    answer = owner.get(f"/runs/{run_id}")
    assert answer.status_code == 200
    assert f"run_id={run_id}" not in answer.text
    assert "nhật ký" in answer.text


def test_following_a_log_that_is_deleted_before_it_is_read_starts_anew(
    owner, installation, monkeypatch
):
    write_log(installation, "x", "2026-01-30T02:00:00")
    assert "run_id=x" in owner.get("/jobs/cleanup/log").json()["text"]
    honest = scheduler_management.log_file_of
    monkeypatch.setattr(jobs.management, "log_file_of", deleted_once_found(honest))
    answer = owner.get("/jobs/cleanup/log")
    assert answer.status_code == 200
    assert answer.json() == {"file": "", "offset": 0, "text": ""}


def test_the_newest_log_is_found_while_another_is_being_deleted(tmp_path):
    newest, gone = tmp_path / "a_20260102_000000.log", tmp_path / "a_20260101_000000.log"
    newest.touch()
    assert run_log.newest([gone, newest]) == newest
    assert run_log.newest([gone]) is None
