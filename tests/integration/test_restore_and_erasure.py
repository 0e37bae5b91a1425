"""Whoever was erased after a backup stays erased when it is brought back."""

import json
import os
from dataclasses import replace
from datetime import UTC, datetime

import polars as pl
from loopback import unused_url
from shop_export import files_of, refresh, some_reviews, write_export, write_reviews

from viecomrec.adapters.staging import StagingLog
from viecomrec.bootstrap import Installation
from viecomrec.domain.events import Event
from viecomrec.pipelines import backup, user_erasure

GONE = "customer-who-wants-to-be-forgotten"


def opened(shop):
    settings = shop.settings.model_copy(update={"service_url": unused_url()})
    return Installation(shop.paths, settings, shop.now)


def places_of(shop):
    return [name for name, content in files_of(shop.paths.root).items() if GONE.encode() in content]


def test_a_backup_from_before_an_erasure_brings_nobody_back(tmp_path):
    rows = [(GONE if user == "u3" else user, *rest) for user, *rest in some_reviews()]
    shop = write_export(tmp_path / "shop", rows)
    refresh(shop)
    backup.save(tmp_path / "b.zip", opened(shop).backup_tools())
    user_erasure.run(GONE, shop.erasure_tools())
    refresh(shop)
    assert places_of(shop) == []

    again = opened(shop)
    tools = replace(again.backup_tools(), refresh=lambda: refresh(opened(shop)).as_json())
    result = backup.restore(tmp_path / "b.zip", tools, replace=True)
    assert result.erased_again.startswith("1 erased customers")
    assert result.refresh["status"] == "success"
    assert places_of(shop) == []
    assert "u4" in opened(shop).snapshots.require_current().id_map.user_ids


def happened(user, day, at="2025-05-{:02d}T10:00:00+00:00"):
    return {"user_id": user, "product_id": "p4", "rating": 5, "at": at.format(day)}


def restored(shop, archive):
    tools = replace(opened(shop).backup_tools(), refresh=lambda: refresh(opened(shop)).as_json())
    return backup.restore(archive, tools, replace=True)


def days_of(shop, user):
    rows = opened(shop).snapshots.require_current().interactions()
    return rows.filter(pl.col("user_id") == user)["at"].dt.strftime("%m-%d").to_list()


def test_an_old_backup_takes_nothing_from_who_came_back_since(tmp_path):
    """The instant of the erasure stays, so what they did after it is never taken."""
    shop = write_export(tmp_path / "shop", some_reviews())
    refresh(shop)
    backup.save(tmp_path / "b.zip", opened(shop).backup_tools())
    asked_at = datetime(2025, 6, 1, tzinfo=UTC)
    user_erasure.run("u3", replace(shop.erasure_tools(), now=lambda: asked_at))
    refresh(shop)
    result = restored(shop, tmp_path / "b.zip")
    assert result.erased_again.startswith("1 erased customers")
    assert opened(shop).erased_users.read().instant("u3") == asked_at
    assert days_of(shop, "u3") == []
    export = [*some_reviews(), ("u3", "p1", 5, "2025-06-02 10:00:00", "tốt")]
    write_reviews(shop.paths.root, export)
    refresh(opened(shop))
    assert days_of(shop, "u3") == ["06-02"]


def test_what_came_after_the_erasure_stays_wherever_a_backup_has_it(tmp_path):
    """A backup of another host, which had not heard of the erasure, holds both."""
    own = [
        ("u3", "p1", 5, "2025-05-01 10:00:00", "trước"),
        ("u3", "p2", 5, "2025-07-01 10:00:00", "sau"),
        ("u3", "p3", 9, "2025-05-02 10:00:00", "hỏng"),
        ("u3", "p3", 5, "ngày nào đó", "hỏng"),
    ]
    others = [row for row in some_reviews() if row[0] != "u3"]
    shop = write_export(tmp_path / "shop", [*others, *own])
    log = StagingLog(shop.paths.staging)
    log.append([Event(**happened("u3", 3)), Event(**happened("u3", 3, "2025-07-{:02d}T10:00:00Z"))])
    refresh(shop)
    log.append([Event(**happened("u3", 4)), Event(**happened("u3", 4, "2025-07-{:02d}T10:00:00Z"))])
    lines = [happened("u3", 5), happened("u3", 5, "2025-07-{:02d}T10:00:00Z"), happened("u9", 5)]
    table = "user_id,product_id,rating,order_date\nu3,p1,5,06/05/2025\nu3,p1,5,06/07/2025\n"
    dropped = {
        "a.jsonl": "\n\n".join(map(json.dumps, lines)),
        "b.csv": f"{table}u9,p1,5,06/05/2025\n",
    }
    for name, content in dropped.items():
        (shop.paths.staging / name).write_text(content, encoding="utf-8")
    backup.save(tmp_path / "b.zip", opened(shop).backup_tools())
    erased_at = datetime(2025, 6, 1, tzinfo=UTC)
    shop.erased_users.add("u3", erased_at)

    result = restored(shop, tmp_path / "b.zip")
    assert result.erased_again.startswith("1 erased customers")
    assert opened(shop).erased_users.read().instant("u3") == erased_at
    assert days_of(shop, "u3") == ["07-01", "07-03", "07-04"]
    folders = {path.name for path in shop.paths.snapshots.iterdir() if path.is_dir()}
    assert folders == {opened(shop).snapshots.require_current().version}
    raw = (shop.paths.published_data / "data_reviews_purchase.csv").read_text(encoding="utf-8")
    assert "sau" in raw
    assert "trước" not in raw
    assert "hỏng" not in raw
    for name in dropped:
        os.utime(shop.paths.staging / name, (1, 1))
    refresh(opened(shop))
    assert days_of(shop, "u3") == ["07-01", "07-03", "07-04", "07-05", "07-05"]
    assert days_of(shop, "u9")[-2:] == ["05-05", "05-05"]
    merged = opened(shop).erasure_tools().sources.merged
    assert merged.read(merged.names()).filter(user_id="u3").height == 4


def test_who_came_back_after_the_erasure_keeps_what_they_did_since(tmp_path):
    shop = write_export(tmp_path / "shop", some_reviews())
    shop.erased_users.add("u3", datetime(2025, 1, 1, tzinfo=UTC))  # before all their reviews
    refresh(shop)
    backup.save(tmp_path / "b.zip", opened(shop).backup_tools())
    known = shop.erased_users.read()
    tools = replace(opened(shop).backup_tools(), refresh=lambda: refresh(opened(shop)).as_json())
    result = backup.restore(tmp_path / "b.zip", tools, replace=True)
    assert result.erased_again.startswith("0 erased customers")
    assert opened(shop).erased_users.read() == known
    assert "u3" in opened(shop).snapshots.require_current().id_map.user_ids
