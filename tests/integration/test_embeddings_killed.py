"""A killed writer leaves embeddings that load, whole, and a view that the next run repairs."""

import random
import subprocess
import sys
import time

import pytest
import torch

from viecomrec.adapters.embeddings import EmbeddingStore

N_KILLS = 6

WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
import numpy as np
import torch
from viecomrec.adapters.embeddings import EmbeddingStore

root = Path(sys.argv[1])
store = EmbeddingStore(root / "embeddings", root / "embeddings/current.json", root / "v/p.pt")
ids = [f"p{row}" for row in range(200)]
described = {"model": "m", "space": "s"}
number = int(sys.argv[2])
while True:
    number += 1
    vectors = np.full((200, 64), number, dtype=np.float32)
    store.publish(ids, vectors, ids, described=described, at=datetime.now(UTC))
    print(number, flush=True)
"""


@pytest.fixture
def store(tmp_path) -> EmbeddingStore:
    root = tmp_path / "embeddings"
    return EmbeddingStore(root, root / "current.json", tmp_path / "v" / "p.pt")


def test_pitfall_23_a_kill_at_any_moment_leaves_one_whole_version(store, tmp_path):
    chance = random.Random(20260131)
    published = 0
    for _ in range(N_KILLS):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(published)],
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        process.stdout.readline()
        time.sleep(chance.uniform(0, 0.2))
        process.kill()
        told, _ = process.communicate()
        current = store.current()
        number = current.vectors[0, 0]
        # Every file of the version is of one writing, none older than what was reported.
        assert (current.vectors == number).all()
        reported = int(told.split()[-1]) if told.split() else published + 1
        assert number >= reported
        store.repair_view()
        view = torch.load(store._view_file, weights_only=True)
        assert (view["embeddings"].numpy() == number).all()
        published = int(number)
