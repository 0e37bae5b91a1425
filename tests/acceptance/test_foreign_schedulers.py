"""`viecomrec schedule export`, as a person types it."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest
from doors import REPOSITORY, environment, run

KUBERNETES = ("--to", "kubernetes", "--image", "viecomrec:0.1.0", "--claim", "shop")


@pytest.fixture
def shop(tmp_path):
    (tmp_path / "config").mkdir()
    return tmp_path


def printed(shop, *arguments):
    done = subprocess.run(
        [sys.executable, "-m", "automation.schedule", "export", *arguments],
        cwd=REPOSITORY,
        env=environment(shop),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_is_printed_for_kubernetes_can_be_piped_as_it_is(shop):
    jobs = json.loads(printed(shop, *KUBERNETES))
    assert jobs["kind"] == "List"
    assert {item["spec"]["timeZone"] for item in jobs["items"]} == {"Asia/Ho_Chi_Minh"}
    assert len(jobs["items"]) == 7


def test_what_is_printed_for_airflow_is_a_program(shop):
    tree = ast.parse(printed(shop, "--to", "airflow"))
    assert "one DAG for each job" in ast.get_docstring(tree)


def test_files_are_written_where_asked(shop):
    for target in (("--to", "airflow"), KUBERNETES):
        answer = run("schedule", "export", *target, "--folder", str(shop / "out"), project=shop)
        assert answer.code == 0
        assert all(Path(name).stat().st_size for name in answer.result["files"])
    assert sorted(file.name for file in (shop / "out").iterdir()) == [
        "viecomrec.cronjobs.json",
        "viecomrec_dags.py",
    ]


@pytest.mark.parametrize(
    ("target", "named"),
    [
        (("--to", "kubernetes"), "--image"),
        (("--to", "kubernetes", "--image", "a", "--claim", "B_"), "--claim 'B_'"),
    ],
)
def test_a_missing_or_impossible_place_is_exit_2_with_the_remedy(shop, target, named):
    answer = run("schedule", "export", *target, project=shop)
    assert answer.code == 2
    assert named in answer.result["message"]


@pytest.mark.parametrize("target", [("--to", "airflow"), KUBERNETES])
def test_a_wrong_configuration_is_exit_2_and_writes_nothing(shop, target):
    config = {"jobs": {"cleanup": {"schedule": {"hour": 25}, "module": "automation.cleanup"}}}
    (shop / "config" / "scheduler_config.json").write_text(json.dumps(config), "utf-8")
    answer = run("schedule", "export", *target, "--folder", str(shop / "out"), project=shop)
    assert answer.code == 2
    assert "hour is 25" in answer.result["message"]
    assert not (shop / "out").exists()
