"""kill -9 at any moment leaves the old state or the new one, never a mixture."""

import random
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import doors
import pytest

from viecomrec.bootstrap import Installation, open_installation

KILLS = 20


def installation_at(project: Path, monkeypatch: pytest.MonkeyPatch) -> Installation:
    monkeypatch.setenv("PROJECT_DIR", str(project))
    return open_installation()


def seconds_of(module: str, *arguments: str, project: Path) -> float:
    """How long a run takes here and now; only to spread the kills over its length."""
    started = time.monotonic()
    answer = doors.run(module, *arguments, project=project)
    assert answer.code == 0, answer
    return time.monotonic() - started


def kill_at(moment: float, module: str, *arguments: str, project: Path) -> bool:
    """Start a door, kill it after `moment` seconds, and say whether it was still running."""
    process = doors.start(module, *arguments, project=project)
    time.sleep(moment)
    was_running = process.poll() is None
    process.kill()
    process.communicate()
    return was_running


def kills(
    length: float,
    seed: int,
    module: str,
    *arguments: str,
    project: Path,
    prepare: Callable[[int], None] = lambda _: None,
) -> Iterator[None]:
    """Kill `KILLS` runs at random moments of `length` seconds, and yield after each try.

    A run that ended before its moment was shorter than thought: the next ones die earlier.
    """
    moments, killed = random.Random(seed), 0
    for number in range(1, 5 * KILLS):
        prepare(number)
        moment = moments.uniform(0, length)
        if kill_at(moment, module, *arguments, project=project):
            killed += 1
        else:
            length = moment
        yield
        if killed == KILLS:
            return
    raise AssertionError("the kills came too late to prove anything")


@pytest.fixture
def shop(trained_shop, tmp_path):
    """A copy of a shop that went through the loop, to be damaged at will."""
    project = tmp_path / "shop"
    shutil.copytree(trained_shop, project)
    return project


def change_reviews(project: Path, number: int) -> None:
    """Drop one more line, so that each refresh has work and another result."""
    file = project / "data" / "published_data" / "data_reviews_purchase.csv"
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    del lines[-1 - number]
    file.write_text("".join(lines), encoding="utf-8")


@pytest.mark.slow
def test_pitfall_23_a_refresh_killed_at_any_moment_leaves_a_whole_snapshot(shop, monkeypatch):
    installation = installation_at(shop, monkeypatch)
    change_reviews(shop, 0)
    length = seconds_of("data_refresh", "--force-full", project=shop)

    def prepare(number: int) -> None:
        change_reviews(shop, number)

    for _ in kills(length, 7, "data_refresh", "--force-full", project=shop, prepare=prepare):
        snapshot = installation.snapshots.require_current()
        snapshot.verify()
        assert snapshot.matrices().n_users == snapshot.id_map.n_users
    # The lock of the dead run is free at once: the next run does the work.
    answer = doors.run("data_refresh", "--force-full", project=shop)
    assert (answer.code, answer.result["status"]) == (0, "success"), answer
    snapshot = installation.snapshots.require_current()
    snapshot.verify()
    leftovers = [path for path in (shop / "data" / "processed").iterdir() if "tmp" in path.name]
    assert leftovers == []


@pytest.mark.slow
def test_pitfall_23_a_training_killed_at_any_moment_leaves_a_registry_that_loads(shop, monkeypatch):
    installation = installation_at(shop, monkeypatch)
    length = seconds_of("model_training", "--force", project=shop)
    for _ in kills(length, 11, "model_training", "--force", project=shop):
        registry = installation.registry.read()
        assert registry.current_best in registry.models
        for record in registry.models.values():
            installation.models.load(record)
    answer = doors.run("model_training", "--force", project=shop)
    assert (answer.code, answer.result["status"]) == (0, "success"), answer
