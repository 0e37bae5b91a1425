"""A full refresh through Spark gives the files of the embedded one; where it cannot, it says so."""

import gzip
import json
import os
import shutil
from dataclasses import replace

import pytest

from tests.doors import run
from tests.shop_export import files_of, some_reviews, write_export
from tests.spark_shop import refresh_in_small_blocks, skip_without_spark
from viecomrec.adapters.erased_users import ErasedUsersFile
from viecomrec.adapters.staging import StagingLog
from viecomrec.domain.events import Event

SETTINGS = {"spark": {"master": "local[2]", "driver_memory": "1g"}}
REVIEWS = "data/published_data/data_reviews_purchase.csv"


def write_shop(root):
    """Repeats, orders, variants, a text over two lines, bad rows, events twice, an erased user."""
    rows = some_reviews(90)
    rows += [("u3", "p1", 4, "2025-05-01 09:00:00", "hai dòng\nmột câu"), *rows[:7]]
    # The same review again with other stars, far below in the file: the first one counts.
    rows += [(user, product, 2, at, text) for user, product, _, at, text in rows[20:60]]
    rows += [
        (f"v{n}", f"p{p}", 5, "2025-05-02 09:00:00", "như nhau") for n in (1, 2) for p in (4, 5)
    ]
    rows += [("", "p1", 5, "2025-05-01 09:00:00", "x"), ("u1", "p1", 9, "2025-05-01 09:00:00", "x")]
    rows += [("u1", "p1", 5, "someday", "x")]
    shop = write_export(root, rows)
    _put_blank_lines(root / REVIEWS)
    (root / "config").mkdir()
    shop.paths.settings_file.write_text(json.dumps(SETTINGS), encoding="utf-8")
    at = shop.now()
    events = [
        Event(event_id=f"e{n % 4}", user_id=f"u{n % 5}", product_id="p2", at=at, kind="purchase")
        for n in range(6)
    ]
    StagingLog(shop.paths.staging).append(events)
    ErasedUsersFile(shop.paths.erased_users_file).add("u7", at)
    return shop


def _put_blank_lines(file):
    """After the header, between rows of several blocks, and at the end."""
    lines = file.read_text(encoding="utf-8").split("\n")
    for at in (len(lines), 60, 20, 1):
        lines.insert(at, "")
    file.write_text("\n".join(lines), encoding="utf-8")


def snapshot_files(shop):
    snapshot = shop.snapshots.require_current()
    found = files_of(snapshot.folder)
    manifest = json.loads(found.pop("manifest.json"))
    return found, manifest


@pytest.fixture
def shops(tmp_path):
    shop = write_shop(tmp_path / "embedded")
    shutil.copytree(tmp_path / "embedded", tmp_path / "spark")
    return shop, write_like(tmp_path / "spark", shop)


def write_like(root, shop):
    return replace(shop, paths=replace(shop.paths, root=root))


def test_spark_gives_the_same_files(shops):
    skip_without_spark()
    here, there = shops
    refresh_in_small_blocks(here.paths.root, "embedded")
    refresh_in_small_blocks(there.paths.root, "spark")
    (expected, before), (found, after) = snapshot_files(here), snapshot_files(there)
    assert found.keys() == expected.keys()
    for name, content in expected.items():
        assert found[name] == content, name
    assert (before["engine"], after["engine"]) == ("embedded", "spark")
    assert before["version"] == after["version"]
    quarantines = [files_of(shop.paths.quarantine) for shop in (here, there)]
    assert quarantines[0] == quarantines[1]
    assert not list(there.paths.engine_scratch.iterdir())


def test_an_export_with_a_broken_layout_is_read_as_ever(shops):
    skip_without_spark()
    here, there = shops
    for shop in shops:
        with (shop.paths.root / REVIEWS).open("a", encoding="utf-8") as file:
            file.write('u1,p1,5,2025-05-01 09:00:00,"open quote\nu2,p1,5,2025-05-01 09:00:00,x\n')
    refresh_in_small_blocks(here.paths.root, "embedded")
    refresh_in_small_blocks(there.paths.root, "spark")
    assert snapshot_files(here)[1]["version"] == snapshot_files(there)[1]["version"]


def test_a_compressed_export_with_too_many_bad_rows_changes_nothing(shops):
    skip_without_spark()
    _, shop = shops
    rows = b"user_id,product_id,rating,cmt_date,comment\n" + b"u1,p1,7,2025-05-01,x\n" * 500
    (shop.paths.root / REVIEWS).write_bytes(gzip.compress(rows))
    answer = run("data_refresh", "--engine", "spark", project=shop.paths.root)
    assert answer.code == 1
    assert "500 of 500 rows are bad" in answer.result["message"]
    assert shop.snapshots.current() is None


@pytest.mark.parametrize("engine", ["embedded", "spark"])
def test_the_door_says_who_worked(shops, engine):
    if engine == "spark":
        skip_without_spark()
    root = shops[0].paths.root
    answer = run("data_refresh", "--engine", engine, "--skip-merge", project=root)
    assert (answer.code, answer.result["engine"]) == (0, engine)
    again = run("data_refresh", project=root, TZ="Asia/Ho_Chi_Minh")
    assert again.result["status"] in {"skipped", "success"}


def test_without_java_the_message_says_what_to_install_and_nothing_is_written(shops, tmp_path):
    skip_without_spark()
    root = shops[0].paths.root
    before = files_of(root)
    answer = run(
        "data_refresh", "--engine", "spark", project=root, PATH=str(tmp_path), JAVA_HOME=""
    )
    assert answer.code == 2
    assert "no `java` was found" in answer.result["message"]
    assert files_of(root) == before


def test_a_java_home_without_a_java_is_named_although_the_path_has_one(shops, tmp_path):
    skip_without_spark()
    root = shops[0].paths.root
    before = files_of(root)
    answer = run("data_refresh", "--engine", "spark", project=root, JAVA_HOME=str(tmp_path))
    assert answer.code == 2
    assert f"JAVA_HOME is {tmp_path}, which has no bin/java" in answer.result["message"]
    assert files_of(root) == before


def test_a_java_that_is_too_old_is_named(shops, tmp_path):
    skip_without_spark()
    if os.name == "nt":
        pytest.skip("a POSIX shell script")
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text("#!/bin/sh\necho 'openjdk version \"1.8.0_392\"' >&2\n", encoding="utf-8")
    java.chmod(0o755)
    root = shops[0].paths.root
    answer = run("data_refresh", "--engine", "spark", project=root, JAVA_HOME=str(tmp_path))
    assert answer.code == 2
    assert "is version 8" in answer.result["message"]


def test_a_master_that_cannot_be_is_exit_2_with_what_can(shops):
    skip_without_spark()
    _, shop = shops
    wrong = {"spark": {"master": "sparkle://nobody"}}
    shop.paths.settings_file.write_text(json.dumps(wrong), encoding="utf-8")
    answer = run("data_refresh", "--engine", "spark", project=shop.paths.root)
    assert answer.code == 2
    assert "spark.master" in answer.result["message"]


def test_a_master_that_does_not_answer_is_said_and_nothing_is_published(shops):
    skip_without_spark()
    _, shop = shops
    wrong = {"spark": {"master": "k8s://nobody", "driver_memory": "1g"}}
    shop.paths.settings_file.write_text(json.dumps(wrong), encoding="utf-8")
    answer = run("data_refresh", "--engine", "spark", project=shop.paths.root)
    assert answer.code == 1
    assert "Spark does not start with the master 'k8s://nobody'" in answer.result["message"]
    assert shop.snapshots.current() is None
    assert not list(shop.paths.engine_scratch.iterdir())
