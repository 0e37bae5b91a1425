"""Reading logs for people: the end of a file, and what comes after it."""

import os

import pytest

from viecomrec.bootstrap import Installation
from viecomrec.errors import ConfigurationError
from viecomrec.paths import ProjectPaths
from viecomrec.pipelines.scheduler_management import follow, log_file_of, tail
from viecomrec.settings import Settings


@pytest.fixture
def file(tmp_path):
    return tmp_path / "x.log"


def test_the_tail_is_the_last_lines_and_of_a_huge_file_only_its_end(file):
    file.write_text("a\nb\nc\n")
    assert tail(file, 2) == ["b", "c"]
    assert tail(file, 0) == []
    file.write_bytes(b"x" * 5_000_000 + b"\nend \xff\n")
    assert tail(file, 1) == ["end �"]
    assert len(tail(file, 2)[0]) <= 1 << 20


def test_a_missing_log_has_no_lines(file):
    assert tail(file, 10) == []


def test_following_yields_what_comes_and_starts_anew_when_the_file_was_turned_over(file):
    file.write_text("old\n")
    news = iter(["new\n", None, "more\n"])

    def write_next(_):
        text = next(news)
        if text is None:
            file.write_text("")
        else:
            with file.open("a") as log:
                log.write(text)

    following = follow(file, write_next)
    assert [next(following), next(following)] == ["new\n", "more\n"]


def test_the_log_of_a_task_is_its_newest_and_never_that_of_a_longer_name(tmp_path):
    (tmp_path / "config").mkdir()
    tools = Installation(ProjectPaths(tmp_path), Settings()).management_tools()
    logs = tools.run_tools.logs
    logs.mkdir(parents=True)
    for age, name in enumerate(("b_20260101_000000", "b_20260102_000000", "b_x_20260103_000000")):
        (logs / f"{name}.log").touch()
        os.utime(logs / f"{name}.log", (age, age))
    assert log_file_of(tools, "b").name == "b_20260102_000000.log"
    assert log_file_of(tools, None).name == "scheduler.log"
    for task in ("a", "../b", "*"):
        with pytest.raises(ConfigurationError):
            log_file_of(tools, task)
