import json
import os
import subprocess
import sys

import psutil

from viecomrec.adapters.worker_board import WorkerBoard, sweep


def test_an_announcement_is_read_by_the_others(tmp_path):
    assert WorkerBoard(tmp_path).announced() is None
    WorkerBoard(tmp_path).announce("als_20260131_v1")
    assert WorkerBoard(tmp_path).announced() == "als_20260131_v1"


def test_the_dead_and_oneself_are_not_among_the_others(tmp_path):
    board = WorkerBoard(tmp_path)
    board.report({"pid": board.pid})
    parent = os.getppid()
    started_at = psutil.Process(parent).create_time()
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    for pid in (parent, gone.pid):
        state = {"pid": pid, "started_at": started_at}
        (tmp_path / f"worker-{pid}.json").write_text(json.dumps(state))
    assert [state["pid"] for state in board.others()] == [parent]


def test_pitfall_26_a_process_id_that_was_used_again_is_not_the_worker(tmp_path):
    state = {"pid": os.getppid(), "started_at": psutil.Process(os.getppid()).create_time() - 60}
    (tmp_path / f"worker-{os.getppid()}.json").write_text(json.dumps(state))
    assert WorkerBoard(tmp_path).others() == []


def test_boards_of_services_that_ended_are_swept_and_the_living_ones_stay(tmp_path):
    living = WorkerBoard(tmp_path / "living")
    living.report({"pid": living.pid})
    WorkerBoard(tmp_path / "ended").announce("als_20260131_v1")
    sweep(tmp_path)
    assert [folder.name for folder in tmp_path.iterdir()] == ["living"]


def test_a_torn_report_is_no_report(tmp_path):
    (tmp_path / f"worker-{os.getppid()}.json").write_text("{")
    assert WorkerBoard(tmp_path).others() == []


def test_who_leaves_is_gone(tmp_path):
    board = WorkerBoard(tmp_path)
    board.report({"pid": board.pid})
    board.leave()
    assert list(tmp_path.iterdir()) == []
