"""A rebuild that may hold a few rows only gives the bytes of one that holds them all."""

import shutil

import pytest

from tests.shop_export import NOW, files_of, refresh, some_reviews, write_export
from viecomrec.adapters.staging import StagingLog
from viecomrec.bootstrap import Installation
from viecomrec.domain.events import Event
from viecomrec.paths import ProjectPaths
from viecomrec.settings import Settings


def write_shop(root):
    """Reviews that come twice, two variants, orders, and an event under the id of a review."""
    reviews = some_reviews(60)
    variants = [
        (f"u{user}", f"p{product}", 5, "2025-05-01 10:00:00", f"hai màu như nhau {user}")
        for user in range(4)
        for product in (4, 5)
    ]
    return write_export(root, [*reviews, *variants, *reviews[:5]])


def stage(shop, known_id):
    StagingLog(shop.paths.staging).append(
        [
            Event(user_id="u1", product_id="p9", rating=5, at=NOW),
            Event(user_id="u2", product_id="p0", rating=1, at=NOW),
            Event(user_id="stranger", product_id="p0", rating=1, at=NOW, event_id=known_id),
        ]
    )


@pytest.mark.parametrize("max_rows", [1, 25, 90])
def test_the_bound_changes_no_byte(tmp_path, max_rows):
    shop = write_shop(tmp_path / "shop")
    refresh(shop)
    stage(shop, shop.snapshots.require_current().interactions()["event_id"][0])
    shutil.copytree(tmp_path / "shop", tmp_path / "bounded")
    settings = Settings(tz="Asia/Ho_Chi_Minh", refresh={"rows_in_memory": max_rows})
    bounded = Installation(ProjectPaths(tmp_path / "bounded"), settings, lambda: NOW)
    results = [refresh(one, force_full=True) for one in (shop, bounded)]
    assert results[0].as_json() == results[1].as_json()
    whole, cut = (one.snapshots.require_current() for one in (shop, bounded))
    assert files_of(cut.folder).keys() == files_of(whole.folder).keys()
    assert files_of(cut.folder) == files_of(whole.folder)
    assert whole.statistics["rows"]["duplicates"] == 6
    assert not list(bounded.paths.snapshots.glob(".rows*"))


def test_what_a_killed_rebuild_left_on_disk_is_gone_after_the_next_one(tmp_path):
    shop = write_shop(tmp_path)
    left = shop.paths.snapshots / ".rows.4711.tmp"
    left.mkdir(parents=True)
    (left / "000000-00.arrow").write_bytes(b"rows of somebody")
    refresh(shop)
    assert not left.exists()
