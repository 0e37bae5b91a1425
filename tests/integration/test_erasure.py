"""After an erasure, a refresh and a retraining nothing in the installation knows the person."""

import gzip
import json
import os
import sqlite3

import numpy as np
import polars as pl
import pytest

from automation.erase_user import main as erase_user
from tests.shop_export import refresh, some_reviews, write_export, write_reviews
from viecomrec.adapters import erasing
from viecomrec.adapters.score_cache import ScoreCache, text_key
from viecomrec.adapters.staging import StagingLog
from viecomrec.domain.events import Event
from viecomrec.domain.factors import Factors
from viecomrec.domain.registry import ModelRecord
from viecomrec.pipelines import data_refresh

PERSON = "khach-hang-9137"
WORDS = "lời riêng của người này"


@pytest.fixture
def shop(tmp_path, monkeypatch):
    (tmp_path / "config").mkdir()
    monkeypatch.setenv("PROJECT_DIR", str(tmp_path))
    own = [(PERSON, f"p{n}", 5, f"2025-05-0{n + 1} 10:00", f"{WORDS} {n}") for n in range(3)]
    bad = [(PERSON, "p1", 9, "2025-05-09", WORDS)]
    shop = write_export(tmp_path, [*some_reviews(), *own, *bad])
    refresh(shop)
    return shop


def event(user, day, **fields):
    return Event(
        user_id=user, product_id="p4", rating=5, at=f"2025-06-{day:02d}T10:00:00+00:00", **fields
    )


def whole_installation(root):
    """Every byte of every file, packed ones unpacked, as one text for each file."""
    for path in sorted(root.rglob("*")):
        if not path.is_file():
            continue
        content = path.read_bytes()
        if path.suffix == ".parquet":
            text = pl.read_parquet(path).write_json()
        elif path.suffix == ".gz":
            text = gzip.decompress(content).decode()
        elif path.suffix == ".db":
            text = "\n".join(sqlite3.connect(path).iterdump())
        else:
            text = content.decode("utf-8", errors="replace")
        yield path.relative_to(root).as_posix(), text


def mentions(root, text):
    return [name for name, content in whole_installation(root) if text in content]


def store_model(shop):
    snapshot = shop.snapshots.require_current()
    ids = snapshot.id_map
    factors = Factors(
        np.ones((ids.n_users, 2), dtype=np.float32),
        np.ones((ids.n_items, 2), dtype=np.float32),
        ids,
    )
    path = shop.models.save("als_20260131_v1", "als", factors, params={}, metrics={}, metadata={})
    return ModelRecord(
        model_id="als_20260131_v1",
        model_type="als",
        path=path,
        created_at_utc=shop.now().isoformat(),
        snapshot_version=snapshot.version,
    )


def test_nothing_of_an_erased_person_is_left_anywhere(shop, tmp_path, capsys):
    StagingLog(shop.paths.staging).append([event(PERSON, 1, comment=WORDS)])
    refresh(shop)
    StagingLog(shop.paths.staging).append([event(PERSON, 2), event("u1", 2)])
    dropped = shop.paths.staging / "don_hang.csv"
    dropped.write_text(
        f"user_id,product_id,rating,at\n{PERSON},p1,5,2025-06-03\nu2,p3,5,2025-06-03\n"
    )
    os.utime(dropped, (1, 1))
    shop.paths.logs.mkdir(exist_ok=True)
    (shop.paths.logs / "serve.log").write_text(f"asked for {PERSON}\n", encoding="utf-8")
    alert = {"message": f"user {PERSON} and khach-hang-91370", "n": 9137}
    (shop.paths.logs / "alerts.jsonl").write_text(json.dumps(alert) + "\n", encoding="utf-8")
    (shop.paths.logs / "serve.log.1").write_text(f"asked for {PERSON}\n", encoding="utf-8")
    (shop.paths.logs / "task_status.json").write_text(json.dumps({"error": PERSON}))
    run = shop.ledger.start_run("model_deployment", {})
    shop.ledger.fail_run(run, f"Golden request for user {PERSON} was not answered")
    record = store_model(shop)
    before = mentions(tmp_path, PERSON)
    assert len(before) >= 8

    assert erase_user([PERSON]) == 0
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert report["erased"] == {
        "raw_rows": 4,
        "staged_events": 2,
        "merged_events": 1,
        "quarantined_rows": 2,
        "models": 1,
        "log_entries": 5,
    }
    assert shop.models.load(record).factors.ids.user_index(PERSON) is None
    assert shop.erased_users.read().instant(PERSON) is not None

    assert report["refresh"]["status"] == "success"
    assert mentions(tmp_path, PERSON + '"') == []
    assert [name for name in mentions(tmp_path, PERSON) if "khach-hang-91370" not in
            dict(whole_installation(tmp_path))[name]] == []  # fmt: skip
    assert mentions(tmp_path, WORDS) == []
    users = set(shop.snapshots.require_current().interactions()["user_id"])
    assert users == {f"u{n}" for n in range(30)}
    assert json.loads((shop.paths.logs / "alerts.jsonl").read_text(encoding="utf-8")) == {
        "message": f"user {'*' * len(PERSON)} and khach-hang-91370",
        "n": 9137,
    }


def test_a_crash_while_a_model_is_renamed_is_repaired_by_the_next_call(shop, monkeypatch):
    record = store_model(shop)
    with monkeypatch.context() as patched:
        patched.setattr(erasing, "_restate_hash", crash)
        with pytest.raises(KeyboardInterrupt):
            erase_user([PERSON])
    assert erase_user([PERSON]) == 0
    assert shop.models.load(record).factors.ids.user_index(PERSON) is None


def test_a_crash_before_the_old_snapshots_are_deleted_is_repaired_by_the_next_run(
    shop, monkeypatch
):
    old = shop.snapshots.require_current().folder
    (shop.paths.snapshots / ".building-1").mkdir()
    with monkeypatch.context() as patched:
        patched.setattr(data_refresh, "_forget_older_snapshots", crash)
        with pytest.raises(KeyboardInterrupt):
            erase_user([PERSON])
    (old / "manifest.json").chmod(0o644)
    (old / "manifest.json").write_text("damaged", encoding="utf-8")
    assert refresh(shop).status.value == "skipped"
    current = shop.snapshots.require_current().version
    assert {path.name for path in shop.paths.snapshots.iterdir() if path.is_dir()} == {current}


def test_the_scores_of_the_persons_words_leave_the_cache(shop):
    cache = ScoreCache(shop.paths.comment_scores)
    cache.add("v", {text_key(f"{WORDS} 0"): 0.5, text_key("lời người khác"): 0.4})
    assert erase_user([PERSON]) == 0
    assert set(cache.read("v")) == {text_key("lời người khác")}


def test_an_erasure_waits_for_a_training_that_holds_the_person_in_memory(shop):
    with shop.lock("model_training"):
        assert erase_user([PERSON]) == 1
    assert mentions(shop.paths.root, PERSON)


def test_a_log_that_is_open_goes_on_being_written(shop):
    shop.paths.logs.mkdir(exist_ok=True)
    path = shop.paths.logs / "scheduler.log"
    with path.open("a", encoding="utf-8") as log:
        log.write(f"asked for {PERSON}, dấu\n")
        log.flush()
        assert erase_user([PERSON]) == 0
        log.write("after\n")
    assert path.read_text(encoding="utf-8") == f"asked for {'*' * len(PERSON)}, dấu\nafter\n"


@pytest.mark.parametrize(
    ("line", "masked"),
    [
        ('{"user_id": 304511, "n": 3045110}', '{"user_id": 111111, "n": 3045110}'),
        ('{"user": "304511", "at": "2304511"}', '{"user": "******", "at": "2304511"}'),
    ],
)
def test_a_line_of_json_stays_one_where_the_id_is_a_number(tmp_path, line, masked):
    path = tmp_path / "alerts.jsonl"
    path.write_text(line + "\n", encoding="utf-8")
    assert erasing.erase_from_log(path, "304511") == 1
    assert path.read_text(encoding="utf-8") == masked + "\n"


def test_a_short_number_is_a_name_only_behind_the_word_user(tmp_path):
    path = tmp_path / "serve.log"
    path.write_text("user 7 got 7 items, user_id=7, users 77\n", encoding="utf-8")
    erasing.erase_from_log(path, "7")
    assert path.read_text(encoding="utf-8") == "user * got 7 items, user_id=*, users 77\n"


def crash(*_):
    raise KeyboardInterrupt


def test_the_rows_of_everybody_else_keep_their_bytes(shop):
    raw = shop.paths.published_data / "data_reviews_purchase.csv"
    quoted = 'u3,p2,5,2025-07-01 10:00:00,"hai\ndòng, ""trích"""\r\n'
    raw.write_bytes(raw.read_bytes() + quoted.encode())
    expected = "".join(
        line for line in raw.read_bytes().decode().splitlines(keepends=True) if PERSON not in line
    )
    assert erase_user([PERSON]) == 0
    assert raw.read_bytes().decode() == expected


def test_an_export_that_still_holds_the_person_does_not_bring_them_back(shop):
    assert erase_user([PERSON]) == 0
    rows = [(PERSON, "p1", 5, "2025-05-01 10:00", "x")]
    write_reviews(shop.paths.root, [*some_reviews(), *rows])
    refresh(shop)
    assert PERSON not in set(shop.snapshots.require_current().interactions()["user_id"])


def test_who_comes_back_after_the_erasure_is_a_new_customer(shop):
    shop.erased_users.add(PERSON, event("x", 1).at)
    StagingLog(shop.paths.staging).append([event(PERSON, 1, event_id="a"), event(PERSON, 9)])
    refresh(shop)
    rows = shop.snapshots.require_current().interactions().filter(user_id=PERSON)
    assert rows["at"].dt.day().to_list() == [9]
