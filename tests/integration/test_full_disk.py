"""A disk without room: the previous snapshot stays in force and the message says so."""

import os
import subprocess
import sys

import pytest

from tests.shop_export import refresh, some_reviews, write_export, write_reviews
from viecomrec.domain.results import Status

WITHOUT_ROOM = """
import resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from tests.shop_export import refresh, some_reviews, write_export
shop = write_export(Path(sys.argv[1]), some_reviews(2000))
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    refresh(shop)
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no limit on the size of files")
def test_a_full_disk_leaves_the_previous_snapshot_in_force_and_says_so(tmp_path, repository):
    shop = write_export(tmp_path, some_reviews())
    refresh(shop)
    version = shop.snapshots.require_current().version
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_ROOM, str(tmp_path), str(repository)],
        cwd=repository,
        capture_output=True,
        text=True,
        check=True,
    )
    said = done.stdout.splitlines()[-1]
    assert said.startswith("SnapshotError The new snapshot could not be written")
    assert "The previous one stays in force" in said
    shop.snapshots.require_current().verify()
    assert shop.snapshots.require_current().version == version
    write_reviews(tmp_path, some_reviews(40))
    assert refresh(shop).status is Status.SUCCESS
    assert {path.name for path in shop.paths.snapshots.iterdir()} == {
        version,
        shop.snapshots.require_current().version,
        "current.json",
    }
