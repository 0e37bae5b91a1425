"""A cleanup that is killed at any moment leaves nothing half deleted that loads."""

import os
import random
import shutil
import signal
import time
from datetime import timedelta

import doors
import pytest
from installation import NOW, OLD_MODEL, write_installation, write_model

N_MODELS = 30
N_KILLS = 6


@pytest.fixture
def shop(tmp_path):
    installation = write_installation(tmp_path / "shop")
    for number in range(1, N_MODELS + 1):
        model_id = f"als_20260201_v{number}"
        write_model(installation, model_id, seed=number)
        folder = installation.models.folder("als", model_id)
        for file in (*folder.iterdir(), folder):
            os.utime(file, (NOW.timestamp(), NOW.timestamp()))
    installation.registry.update(lambda one: one.confirm(OLD_MODEL))
    return installation


def dated(registry):
    models = {
        key: record.model_copy(
            update={"created_at_utc": (NOW - timedelta(minutes=rank)).isoformat()}
        )
        for rank, (key, record) in enumerate(registry.models.items())
    }
    return registry.model_copy(update={"models": models})


@pytest.mark.skipif(os.name == "nt", reason="kill -9 is POSIX")
def test_pitfall_23_a_killed_cleanup_leaves_only_models_that_load(shop, tmp_path):
    shop.registry.update(dated)
    rng = random.Random(0)
    started = time.monotonic()
    assert doors.run("cleanup", "--dry-run", "--type", "models", project=shop.paths.root).code == 0
    usual = time.monotonic() - started
    for _ in range(N_KILLS):
        process = doors.start("cleanup", "--type", "models", project=shop.paths.root)
        time.sleep(usual * rng.uniform(0.5, 1.2))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        for record in shop.registry.read().models.values():
            shop.models.load(record)
    answer = doors.run("cleanup", "--type", "models", project=shop.paths.root)
    assert answer.code == 0, answer
    left = shop.registry.read().models
    assert len(left) <= 7
    assert OLD_MODEL in left
    folders = {path.name for path in (shop.paths.models / "als").iterdir()}
    unlisted = folders - set(left)
    for name in unlisted:  # unregistered, whole, and never loaded by anybody
        assert not name.startswith(".trash")
    shutil.rmtree(tmp_path / "shop")
