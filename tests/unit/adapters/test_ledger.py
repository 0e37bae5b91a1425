import sqlite3
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta

import pytest

from viecomrec.adapters import database
from viecomrec.adapters.database import Database
from viecomrec.adapters.ledger import KILLED, Ledger
from viecomrec.errors import LedgerError

NOW = datetime(2026, 1, 30, 2, 0, tzinfo=UTC)


class Clock:
    def __init__(self, at=NOW):
        self.at = at

    def __call__(self):
        return self.at


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def file(tmp_path):
    return tmp_path / "logs" / "pipeline_metrics.db"


@pytest.fixture
def ledger(file, clock):
    return Ledger(file, file.parent / "locks", clock)


def rows(file, query):
    connection = sqlite3.connect(file)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def test_the_table_is_the_guides_to_the_letter(ledger, file):
    ledger.start_run("data_refresh", {})
    columns = rows(
        file,
        "SELECT name, type, \"notnull\", dflt_value, pk FROM pragma_table_info('pipeline_runs')",
    )
    assert columns == [
        ("run_id", "TEXT", 0, None, 1),
        ("pipeline_name", "TEXT", 1, None, 0),
        ("start_time", "TIMESTAMP", 0, None, 0),
        ("end_time", "TIMESTAMP", 0, None, 0),
        ("status", "TEXT", 0, "'running'", 0),
        ("config", "TEXT", 0, None, 0),
        ("result", "TEXT", 0, None, 0),
        ("error_message", "TEXT", 0, None, 0),
    ]
    assert rows(file, "PRAGMA journal_mode") == [("delete",)]


def test_a_run_is_recorded_from_start_to_end(ledger, clock):
    run_id = ledger.start_run("data_refresh", {"force": True})
    clock.at += timedelta(minutes=3)
    ledger.complete_run(run_id, {"status": "success", "records": 1000})
    (run,) = ledger.recent_runs("data_refresh")
    assert run.status == "completed"
    assert run.config == {"force": True}
    assert run.result == {"status": "success", "records": 1000}
    assert run.start_time == NOW.astimezone().strftime("%Y-%m-%dT%H:%M:%S")
    started, ended = (datetime.fromisoformat(one) for one in (run.start_time, run.end_time))
    assert ended - started == timedelta(minutes=3)


def test_pitfall_27_runs_of_one_second_have_different_ids(ledger):
    assert len({ledger.start_run("data_refresh", {}) for _ in range(20)}) == 20


def test_pitfall_27_the_window_of_the_statistics_is_a_window_of_instants(ledger, clock):
    for days in (8, 6.99, 1):
        clock.at = NOW - timedelta(days=days)
        ledger.complete_run(ledger.start_run("data_refresh", {}), {})
    clock.at = NOW
    assert ledger.get_stats(days=7)["stats_by_pipeline"]["data_refresh"]["total"] == 2


def test_rows_that_another_tool_wrote_into_the_guides_table_are_counted(file, ledger):
    file.parent.mkdir()
    connection = sqlite3.connect(file)
    connection.execute(database.GUIDE_TABLE)
    local = NOW.astimezone().strftime("%Y-%m-%dT%H:%M:%S")
    connection.execute(
        "INSERT INTO pipeline_runs (run_id, pipeline_name, start_time, status) "
        f"VALUES ('a', 'old', '{local}', 'completed')"
    )
    connection.commit()
    connection.close()
    assert ledger.get_stats()["stats_by_pipeline"]["old"]["completed"] == 1


def test_an_unknown_run_is_named(ledger):
    with pytest.raises(LedgerError, match="nobody_1"):
        ledger.complete_run("nobody_1", {})


def test_the_file_deleted_while_a_run_works_is_made_again_with_the_run(ledger, file):
    run_id = ledger.start_run("data_refresh", {"force": True})
    file.unlink()
    ledger.complete_run(run_id, {"records": 1})
    (run,) = ledger.recent_runs()
    assert (run.run_id, run.config, run.status) == (run_id, {"force": True}, "completed")


def test_a_living_run_is_never_closed_whatever_its_age(ledger, clock, file):
    ledger.start_run("data_refresh", {})
    clock.at += timedelta(days=300)
    assert ledger.close_dead_runs() == []
    assert Ledger(file, file.parent / "locks", clock).close_dead_runs() == []


def test_a_living_run_whose_lock_files_were_deleted_is_not_closed(ledger, clock, file):
    clock.at = datetime.now(UTC)
    ledger.start_run("data_refresh", {})
    for path in (file.parent / ".locks").iterdir():
        path.unlink()
    assert Ledger(file, file.parent / "locks", clock).close_dead_runs() == []


KILLED_RUN = """
import os, sys
from datetime import datetime, UTC
from pathlib import Path
from viecomrec.adapters.ledger import Ledger
logs = Path(sys.argv[1])
ledger = Ledger(logs / "pipeline_metrics.db", logs / "locks", lambda: datetime.now(UTC))
print(ledger.start_run("model_training", {}), flush=True)
os.kill(os.getpid(), 9)
"""


def test_a_run_killed_from_outside_is_found_by_its_lock_and_failed(ledger, file):
    command = [sys.executable, "-c", KILLED_RUN, str(file.parent)]
    run_id = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False).stdout.strip()
    assert ledger.recent_runs()[0].status == "running"
    assert ledger.close_dead_runs() == [run_id]
    assert ledger.close_dead_runs() == []
    (run,) = ledger.recent_runs()
    assert (run.status, run.error_message) == ("failed", KILLED)
    assert list((file.parent / ".locks").iterdir()) == []


def test_pitfall_28_six_writers_lose_no_run(ledger, file, clock):
    failures = []

    def work():
        own = Ledger(file, file.parent / "locks", clock)
        try:
            for _ in range(10):
                own.complete_run(own.start_run("data_refresh", {}), {})
        except LedgerError as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert ledger.get_stats()["stats_by_pipeline"]["data_refresh"]["completed"] == 60


def test_a_database_locked_by_another_says_so(file):
    own = Database(file, busy_timeout_seconds=0.05)
    with own.transaction():
        other = Database(file, busy_timeout_seconds=0.05)
        with (
            pytest.raises(LedgerError, match=r"locked.*Another process holds it"),
            other.transaction(),
        ):
            pass


def test_a_corrupt_file_says_what_to_do(ledger, file):
    file.parent.mkdir()
    file.write_bytes(b"this is no database, it is a text of more than a hundred bytes " * 20)
    with pytest.raises(LedgerError, match=r"not a database.*move it away"):
        ledger.start_run("data_refresh", {})
    assert list((file.parent / ".locks").iterdir()) == []


def test_a_file_of_a_newer_version_is_left_alone(ledger, file):
    ledger.start_run("data_refresh", {})
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(LedgerError, match=r"newer version.*schema 99"):
        ledger.recent_runs()


def test_a_read_only_file_says_what_to_do(file, monkeypatch):
    with Database(file).transaction():
        pass
    # As root nothing is read-only, so SQLite itself is told to open it that way.
    monkeypatch.setattr(
        database,
        "_connect",
        lambda path, _timeout: sqlite3.connect(
            f"file:{path}?mode=ro", uri=True, isolation_level=None
        ),
    )
    ledger = Ledger(file, file.parent / "locks", Clock())
    with pytest.raises(LedgerError, match=r"readonly.*writable"):
        ledger.start_run("data_refresh", {})
    assert ledger.recent_runs() == []


def test_a_folder_in_place_of_the_file_says_what_to_do(ledger, file):
    file.mkdir(parents=True)
    with pytest.raises(LedgerError, match=r"unable to open.*writable"):
        ledger.start_run("data_refresh", {})


def test_a_row_that_another_tool_made_unreadable_is_left_out_with_a_word(ledger, file, capsys):
    good = ledger.start_run("data_refresh", {})
    for run_id, column, value in (("a", "status", "success"), ("b", "config", "{ broken")):
        connection = sqlite3.connect(file)
        connection.execute(
            "INSERT INTO pipeline_runs (run_id, pipeline_name, status) VALUES (?, 'x', 'failed')",
            (run_id,),
        )
        connection.execute(
            f"UPDATE pipeline_runs SET {column} = ? WHERE run_id = ?", (value, run_id)
        )
        connection.commit()
        connection.close()
    assert [run.run_id for run in ledger.recent_runs()] == [good]
    assert ledger.find_run("a") is None
    assert "run_id=b" in capsys.readouterr().out


def test_pitfall_26_a_reused_process_id_is_not_taken_for_the_run(ledger, file, clock):
    ledger.start_run("data_refresh", {})
    for path in (file.parent / ".locks").iterdir():
        path.unlink()  # so that only the process id is left to ask
    # This very process lives under the id, but it began after 2026-01-30, when the run did.
    connection = sqlite3.connect(file)
    connection.execute("UPDATE run_details SET started_at_utc = '2020-01-01T00:00:00.000000+00:00'")
    connection.commit()
    connection.close()
    assert len(Ledger(file, file.parent / "locks", clock).close_dead_runs()) == 1
