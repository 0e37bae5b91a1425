"""The log of a run is found by the run's id alone."""

from datetime import datetime

import pytest

from viecomrec.adapters.run_log import HEAD_BYTES, find_run_log, read_end

STARTED = datetime(2026, 1, 31, 2, 0, 4)  # noqa: DTZ001 - local, as the names of logs are


def find(folder, run_id="run_a"):
    return find_run_log([folder / "nowhere", folder], "cleanup", run_id, STARTED)


@pytest.mark.parametrize(
    "name",
    [
        "cleanup_20260131_020004.log",
        "cleanup_20260131_020003_2.log",
        "my_own_name_20260131_015959.log",
        "cleanup.log",
    ],
)
def test_a_log_that_names_the_run_is_its_log(tmp_path, name):
    (tmp_path / "cleanup_20260131_020000.log").write_text("another run_b")
    (tmp_path / name).write_text("run started run_id=run_a")
    assert find(tmp_path) == tmp_path / name


@pytest.mark.parametrize("name", ["cleanup_20260131_020005.log", "scheduler.log"])
def test_a_log_that_began_after_the_run_or_is_no_jobs_is_not_its_log(tmp_path, name):
    (tmp_path / name).write_text("run_id=run_a")
    assert find(tmp_path) is None


def test_a_log_of_the_same_moment_that_names_another_run_is_not_its_log(tmp_path):
    (tmp_path / "cleanup_20260131_020004.log").write_text("run_id=run_b")
    assert find(tmp_path) is None


def test_a_run_that_says_its_id_only_at_the_end_of_a_long_log_is_found(tmp_path):
    log = tmp_path / "cleanup_20260131_020004.log"
    log.write_text("x" * (HEAD_BYTES + 100_000) + "run_a")
    assert find(tmp_path) == log


def test_the_end_of_a_long_log_starts_with_a_whole_line(tmp_path):
    log = tmp_path / "a.log"
    log.write_bytes("một\nhai\nba\n".encode())
    assert read_end(log, 6) == ("ba\n", True)
    assert read_end(log, 1000) == ("một\nhai\nba\n", False)
