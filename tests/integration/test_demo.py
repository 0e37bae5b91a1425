"""The demo as a person runs it: real doors, a real service, twice."""

import os
import re
import shutil
import socket
import subprocess
import sys

import psutil
import pytest
from installation import write_installation

from viecomrec.adapters import service_process
from viecomrec.adapters.door_process import DoorProcesses
from viecomrec.adapters.service_process import running_service
from viecomrec.bootstrap import Installation
from viecomrec.errors import DoorError, ServiceError
from viecomrec.paths import ProjectPaths
from viecomrec.service.console.data import newly_trainable
from viecomrec.service.console.models import groups_of
from viecomrec.settings import load_settings

N_USERS = "6000"


def run_demo(*arguments, cwd=None):
    return subprocess.run(
        [sys.executable, "-m", "automation.cli", "demo", *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=cwd,
        check=False,
        env={**os.environ, "PYTHONUTF8": "1"},
    )


def files_of(folder):
    """Size and time of every file that a run without news must leave alone."""
    return {
        path.relative_to(folder): (path.stat().st_size, path.stat().st_mtime_ns)
        for part in ("data", "artifacts", "config", "demo_shop.json")
        for path in ([folder / part] if (folder / part).is_file() else (folder / part).rglob("*"))
        # The folder of a running service belongs to that run; the cache may learn what it skips.
        if path.is_file() and "lock" not in path.name and not {"service", "cache"} & {*path.parts}
    }


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    return tmp_path_factory.mktemp("shop") / "demo"


@pytest.fixture(scope="module")
def first(shop):
    return run_demo("--users", N_USERS, "--project-dir", str(shop))


@pytest.fixture(scope="module")
def second(first, shop):
    before = files_of(shop)
    run = run_demo("--users", N_USERS, "--project-dir", str(shop))
    return run, before, files_of(shop)


def test_the_demo_runs_the_whole_loop(first, shop):
    assert first.returncode == 0, first.stdout + first.stderr
    steps = re.findall(r"^(\d)/8 +(\S.*?) {2,}", first.stdout, flags=re.MULTILINE)
    assert [number for number, _ in steps] == list("12345678")
    assert "5 broken rows in quarantine" in " ".join(first.stdout.split())
    assert f"Keep its service running: viecomrec serve --project-dir {shop}" in first.stdout


def test_the_demo_shows_names_prices_and_reasons(first):
    assert "Sữa" in first.stdout
    assert re.search(r"\d\.000 ₫", first.stdout)
    assert "also bought: " in first.stdout
    assert "customers who chose [a]" in first.stdout
    assert "a customer nobody knows yet" in first.stdout
    assert "Được nhiều khách hàng" in first.stdout


def test_the_model_of_the_demo_beats_popularity(first):
    found = re.search(
        r"Recall@10 (\d\.\d+) on held-out orders.*?(\d\.\d+)", first.stdout, re.DOTALL
    )
    assert float(found[1]) > float(found[2])


def test_the_console_tells_how_many_customers_the_refresh_made_trainable(first, shop):
    installation = Installation(ProjectPaths(shop), load_settings(ProjectPaths(shop)))
    statistics = installation.snapshots.require_current().statistics
    runs = installation.ledger.recent_runs("data_refresh")
    assert newly_trainable(runs) == statistics["n_trainable_users"] > 100


def test_the_console_divides_the_figures_of_a_trained_model(first, shop):
    installation = Installation(ProjectPaths(shop), load_settings(ProjectPaths(shop)))
    registry = installation.registry.read()
    groups = groups_of(installation.models.metrics(registry.record(registry.deployed)))
    assert {group["kind"] for group in groups} == {"by_activity", "by_warmth"}
    assert all(0 <= group["recall"] <= 1 and group["n"] > 0 for group in groups)


def test_a_second_demo_recognises_that_nothing_changed(second):
    run, before, after = second
    assert run.returncode == 0, run.stdout + run.stderr
    for words in ("here already", "No new data", "Fresh", "deployed already", "Nothing changed"):
        assert words in run.stdout
    assert after == before


def test_a_deleted_file_is_written_again_and_leads_to_the_same_snapshot(second, shop):
    pointer = (shop / "data" / "snapshots" / "current.json").read_bytes()
    (shop / "data" / "published_data" / "data_product.csv").unlink()
    again = run_demo("--users", N_USERS, "--project-dir", str(shop))
    assert again.returncode == 0, again.stdout + again.stderr
    assert (shop / "data" / "snapshots" / "current.json").read_bytes() == pointer


def test_a_half_deleted_demo_says_what_is_missing_and_how_to_start_anew(second, shop, tmp_path):
    broken = tmp_path / "demo"
    shutil.copytree(shop, broken)
    for version in (broken / "data" / "snapshots").iterdir():
        if version.is_dir():
            shutil.rmtree(version)
    run = run_demo("--users", N_USERS, "--project-dir", str(broken))
    assert run.returncode == 1
    assert "Step 2 of 8, Data refresh, failed" in run.stdout
    assert f"delete the folder {broken}" in " ".join(run.stdout.split())


def test_the_service_of_the_demo_is_gone_afterwards(second, shop):
    run, *_ = second
    port = int(re.search(r"127\.0\.0\.1:(\d+)", run.stdout)[1])
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.mark.parametrize("users", ["0", "-5", "1999", "many", "1e4", ""])
def test_too_few_or_no_number_of_customers_is_a_wrong_argument(tmp_path, users):
    run = run_demo("--users", users, "--project-dir", str(tmp_path / "shop"))
    assert run.returncode == 2
    assert "--users" in run.stderr
    assert not (tmp_path / "shop").exists()


def test_the_demo_never_touches_a_real_shop(tmp_path):
    folder = tmp_path / "data" / "published_data"
    folder.mkdir(parents=True)
    (folder / "data_product.csv").write_text("product_id\n1\n")
    run = run_demo("--users", N_USERS, "--project-dir", str(tmp_path))
    assert run.returncode != 0
    assert "the demo did not write" in run.stdout
    assert "delete" not in run.stdout
    assert (folder / "data_product.csv").read_text() == "product_id\n1\n"
    assert sorted(path.name for path in folder.iterdir()) == ["data_product.csv"]


def test_a_place_where_no_folder_can_be_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    run = run_demo("--project-dir", str(tmp_path / "file" / "shop"))
    assert run.returncode == 1
    assert "--project-dir" in run.stdout


# --- the processes that the demo starts -------------------------------------------------
def test_a_door_gives_its_result_and_leaves_its_log(tmp_path):
    (tmp_path / "config").mkdir()
    outcome = DoorProcesses(tmp_path, tmp_path / "logs").run("model_training")
    assert outcome.exit_code == 1
    assert outcome.status == "failed"
    assert "data_refresh" in outcome.message
    assert "model_training" in outcome.log_file.read_text(encoding="utf-8")


def test_a_door_without_a_result_is_an_error_with_the_end_of_its_log(tmp_path):
    with pytest.raises(DoorError, match=r"No module named automation\.nothing"):
        DoorProcesses(tmp_path, tmp_path / "logs").run("nothing")


@pytest.fixture
def installation(tmp_path):
    write_installation(tmp_path)
    return tmp_path


def children():
    return [child.pid for child in psutil.Process().children() if child.is_running()]


def test_the_service_ends_when_the_work_with_it_fails(installation):
    def work():
        with running_service(installation, installation / "service.log"):
            raise RuntimeError("work failed")

    before = children()
    with pytest.raises(RuntimeError, match="work failed"):
        work()
    assert children() == before


def test_a_busy_port_is_replaced_by_another(installation, monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        busy = taken.getsockname()[1]
        free = service_process._free_port()
        ports = iter([busy, free])
        monkeypatch.setattr(service_process, "_free_port", lambda: next(ports))
        with running_service(installation, installation / "service.log") as url:
            assert url == f"http://127.0.0.1:{free}"


def test_a_service_that_cannot_start_is_an_error_with_the_end_of_its_log(tmp_path):
    with (
        pytest.raises(ServiceError, match=r"PROJECT_DIR|project"),
        running_service(tmp_path / "missing", tmp_path / "service.log"),
    ):
        pass


def test_a_service_that_never_listens_is_ended(installation, monkeypatch):
    sleeper = [sys.executable, "-c", "import time; time.sleep(600)"]
    real = subprocess.Popen
    monkeypatch.setattr(
        service_process.subprocess, "Popen", lambda _command, **options: real(sleeper, **options)
    )
    before = children()
    with (
        pytest.raises(ServiceError, match="did not listen"),
        running_service(installation, installation / "service.log", start_seconds=0.5),
    ):
        pass
    assert children() == before
