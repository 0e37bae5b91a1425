"""The refresh as a whole, on real files of small shops."""

import gzip
import json
from dataclasses import replace

import polars as pl
import pytest

from tests.shop_export import (
    files_of,
    refresh,
    some_reviews,
    write_export,
    write_reviews,
    write_table,
)
from viecomrec.adapters.sharing import OWN_FOLDERS, Kept, OwnFile
from viecomrec.adapters.snapshots import SnapshotStore
from viecomrec.adapters.staging import StagingLog
from viecomrec.domain.events import Event
from viecomrec.domain.results import Status
from viecomrec.errors import InputError
from viecomrec.pipelines import data_refresh
from viecomrec.pipelines.data_refresh import RefreshRequest, run


@pytest.fixture
def shop(tmp_path):
    return write_export(tmp_path, some_reviews())


def rows_with(shop, **kept):
    return shop.snapshots.require_current().interactions().filter(**kept)


def quarantined(shop, version):
    return pl.read_parquet(shop.paths.quarantine / f"{version}.parquet")


def test_a_refresh_publishes_a_snapshot_that_verifies(shop):
    result = refresh(shop)
    snapshot = shop.snapshots.require_current()
    snapshot.verify()
    assert result.status is Status.SUCCESS
    assert result.snapshot_version == snapshot.version
    assert snapshot.id_map.n_users == 30
    assert snapshot.id_map.product_ids == ("p0", "p1", "p2", "p3", "p4", "p5")


def test_pitfall_01_row_r_of_every_file_is_the_same_user(shop):
    refresh(shop)
    snapshot = shop.snapshots.require_current()
    train = snapshot.interactions().filter(part="train")
    matrix = snapshot.matrices().confidence
    for user_id, product_id, confidence in train.select(
        "user_id", "product_id", "confidence"
    ).iter_rows():
        row, column = snapshot.id_map.user_index(user_id), snapshot.id_map.item_index(product_id)
        assert matrix[row, column] == pytest.approx(confidence)
    assert matrix.nnz == train.height


def test_pitfall_02_same_second_orders_keep_their_training_rows(tmp_path):
    same_second = "2025-03-01 10:00:00"
    orders = [
        (f"u{user}", f"p{product}", 5, same_second, f"nhận xét {product}")
        for user in range(10)
        for product in (0, 1, 2)
    ]
    shop = write_export(tmp_path, orders)
    refresh(shop)
    snapshot = shop.snapshots.require_current()
    assert snapshot.matrices().confidence.nnz == 30
    assert snapshot.held_out().n_users == 0


def test_pitfall_03_comment_quality_is_the_same_after_eight_refreshes(shop):
    refresh(shop)
    first = shop.snapshots.require_current()
    for _ in range(8):
        refresh(shop, force_full=True)
    assert shop.snapshots.require_current().version == first.version


def test_pitfall_04_the_wall_clock_does_not_change_the_snapshot(shop):
    refresh(shop)
    version = shop.snapshots.require_current().version
    tools = shop.refresh_tools()
    from dataclasses import replace
    from datetime import timedelta

    from viecomrec.pipelines.data_refresh import RefreshRequest, run

    later = replace(tools, now=lambda: shop.now() + timedelta(days=400))
    run(RefreshRequest(force_full=True), later)
    assert shop.snapshots.require_current().version == version


def test_pitfall_06_no_held_out_pair_is_in_the_training_matrix(shop):
    refresh(shop)
    snapshot = shop.snapshots.require_current()
    held_out, matrix = snapshot.held_out(), snapshot.matrices().confidence
    assert len(held_out.user_index) > 20
    assert all(
        matrix[row, column] == 0
        for row, column in zip(held_out.user_index, held_out.item_index, strict=True)
    )


def test_pitfall_15_unchanged_data_is_recognised_by_content_and_skipped(shop):
    refresh(shop)
    raw = shop.paths.published_data / "data_reviews_purchase.csv"
    raw.write_bytes(raw.read_bytes())
    result = refresh(shop)
    assert (result.status, result.message) == (Status.SKIPPED, "No new data")
    raw.write_text(raw.read_text(encoding="utf-8").replace("p1,5", "p1,4"), encoding="utf-8")
    assert refresh(shop).status is Status.SUCCESS


def test_pitfall_16_a_review_repeated_on_variants_is_one_event_and_one_target(tmp_path):
    def review(user, products, day):
        return [
            (user, f"p{p}", 5, f"2025-03-{day:02d} 10:00:00", f"của {user} {day}") for p in products
        ]

    rows = [row for user in range(8) for row in review(f"u{user}", (0, 1, 2), 2 + user)]
    rows += review("u0", (3, 4, 5), 20) + review("u1", (3, 4, 5), 21)
    shop = write_export(tmp_path, rows)
    refresh(shop)
    snapshot = shop.snapshots.require_current()
    groups = dict(snapshot.products().select("product_id", "variant_group").iter_rows())
    assert [groups[f"p{n}"] for n in range(6)] == ["p0", "p0", "p0", "p3", "p3", "p3"]
    assert snapshot.held_out().item_index.tolist() == [3, 3]
    assert snapshot.interactions().filter(user_id="u0", part="train").height == 3


def test_pitfall_17_a_dry_run_changes_no_byte(shop, tmp_path):
    before = files_of(tmp_path)
    planned = refresh(shop, dry_run=True)
    assert (planned.status, planned.mode, planned.dry_run) == (Status.SUCCESS, "full", True)
    assert files_of(tmp_path) == before
    refresh(shop)
    before = files_of(tmp_path)
    assert refresh(shop, dry_run=True).mode == "skip"
    assert files_of(tmp_path) == before


def test_pitfall_23_a_refresh_that_fails_leaves_the_previous_snapshot_in_force(shop):
    refresh(shop)
    version = shop.snapshots.require_current().version
    write_reviews(shop.paths.root, [("u1", "p1", 9, "2025-03-01", "x")] * 5)
    with pytest.raises(InputError, match="5 of 5 rows are bad"):
        refresh(shop)
    shop.snapshots.require_current().verify()
    assert shop.snapshots.require_current().version == version


def test_pitfall_35_readers_stay_on_their_snapshot_while_a_refresh_publishes(shop):
    refresh(shop)
    reader = shop.snapshots.require_current()
    before = reader.matrices().confidence.toarray()
    write_reviews(shop.paths.root, some_reviews(60))
    refresh(shop)
    assert shop.snapshots.require_current().version != reader.version
    reader.verify()
    assert (reader.matrices().confidence.toarray() == before).all()


def test_a_rebuild_reports_only_who_became_trainable_since(shop):
    assert refresh(shop).n_newly_trainable == 30
    write_reviews(shop.paths.root, some_reviews(34))
    assert refresh(shop, force_full=True).n_newly_trainable == 4


def test_days_are_those_of_the_shop(tmp_path):
    rows = [(f"u{n}", f"p{n}", 5, "2025-03-02 00:30:00", "") for n in range(3)]
    shop = write_export(tmp_path, rows)
    refresh(shop)
    statistics = shop.snapshots.require_current().statistics
    assert statistics["interactions_per_day"] == {"2025-03-02": 3}


def test_pitfall_40_no_good_row_is_touched_by_python_but_for_its_hash(shop, monkeypatch):
    def slow(*_args, **_kwargs):
        raise AssertionError("a Python loop over rows")

    rows_of = pl.DataFrame.iter_rows
    monkeypatch.setattr(pl.Expr, "map_elements", slow)
    monkeypatch.setattr(pl.Series, "map_elements", slow)
    monkeypatch.setattr(pl.DataFrame, "map_rows", slow)
    monkeypatch.setattr(
        pl.DataFrame,
        "iter_rows",
        lambda frame, **named: rows_of(frame, **named) if frame.height < 60 else slow(),
    )
    assert refresh(shop).status is Status.SUCCESS


def test_a_corrupted_snapshot_file_is_repaired_by_force_full(shop):
    refresh(shop)
    file = shop.snapshots.require_current().folder / "interactions.parquet"
    content = file.read_bytes()
    file.chmod(0o644)
    file.write_bytes(b"x" * len(content))
    assert refresh(shop, force_full=True).status is Status.SUCCESS
    shop.snapshots.require_current().verify()


def test_force_rebuilds_although_nothing_is_new(shop):
    refresh(shop)
    result = refresh(shop, force=True)
    assert (result.status, result.mode) == (Status.SUCCESS, "full")


def test_the_scorer_is_fitted_once_and_never_again_by_force_full(shop):
    refresh(shop)
    pointer = shop.paths.scorer_pointer.read_bytes()
    write_reviews(shop.paths.root, some_reviews(200))
    refresh(shop, force_full=True)
    assert shop.paths.scorer_pointer.read_bytes() == pointer


def test_refitting_the_scorer_is_a_step_of_its_own_and_rebuilds_the_snapshot(shop):
    refresh(shop)
    pointer = shop.paths.scorer_pointer.read_bytes()
    write_reviews(shop.paths.root, some_reviews(200))
    assert refresh(shop, refit_scorer=True, force_full=True).mode == "full"
    assert shop.paths.scorer_pointer.read_bytes() != pointer
    assert refresh(shop).status is Status.SKIPPED


def test_two_refreshes_at_once_the_second_says_already_running(shop):
    with shop.lock("data_refresh") as held:
        assert held.acquired
        second = shop.run("data_refresh", lambda: refresh(shop), {})
    assert second.as_json() == {"status": "skipped", "message": "Already running"}
    assert not shop.paths.snapshot_pointer.exists()


def test_a_file_in_staging_that_is_no_event_is_named_where_nothing_is_new_too(shop):
    refresh(shop)
    shop.paths.staging.mkdir(exist_ok=True)
    (shop.paths.staging / "orders.xlsx").write_bytes(b"PK")
    result = refresh(shop)
    assert result.status is Status.SKIPPED
    assert result.ignored_staging_files == ["orders.xlsx"]


def test_staged_events_wait_where_the_merge_is_skipped(shop):
    refresh(shop)
    staging = StagingLog(shop.paths.staging)
    at = "2025-07-01T00:00:00+00:00"
    staging.append([Event(user_id="u1", product_id="p5", rating=5, at=at)])
    assert refresh(shop, skip_merge=True).status is Status.SKIPPED
    assert len(staging.pending()) == 1
    assert refresh(shop).mode == "incremental"
    assert staging.pending() == []


def test_a_dry_run_counts_what_waits_in_staging(shop, tmp_path):
    refresh(shop)
    at = "2025-07-01T00:00:00+00:00"
    events = [
        Event(user_id="u1", product_id="p5", rating=5, at=at, event_id=f"{n}") for n in range(100)
    ]
    StagingLog(shop.paths.staging).append(events[:99])
    before = files_of(tmp_path)
    assert refresh(shop, dry_run=True).mode == "incremental"
    assert files_of(tmp_path) == before
    StagingLog(shop.paths.staging).append(events[99:])
    assert refresh(shop, dry_run=True).mode == "full"


def test_pitfall_20_raw_files_are_never_rewritten_by_a_refresh(shop):
    raw = files_of(shop.paths.published_data)
    refresh(shop)
    at = "2025-07-01T00:00:00+00:00"
    StagingLog(shop.paths.staging).append([Event(user_id="u1", product_id="p5", rating=5, at=at)])
    refresh(shop)
    assert files_of(shop.paths.published_data) == raw


def test_pitfall_18_a_crash_between_merge_and_publication_applies_the_events_once(
    shop, monkeypatch
):
    refresh(shop)
    at = "2025-07-01T00:00:00+00:00"
    StagingLog(shop.paths.staging).append([Event(user_id="u1", product_id="p5", rating=5, at=at)])
    from viecomrec.pipelines import data_refresh

    def crash(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(data_refresh, "_publish", crash)
    with pytest.raises(KeyboardInterrupt):
        refresh(shop)
    monkeypatch.undo()
    assert len(StagingLog(shop.paths.staging).pending()) == 1
    assert refresh(shop).mode == "incremental"
    assert shop.snapshots.require_current().statistics["n_interactions"] == 61
    assert shop.snapshots.require_current().statistics["rows"]["duplicates"] == 0
    assert StagingLog(shop.paths.staging).pending() == []


class StopBeforePointer(OwnFile):
    """The power fails at the last instant before the new snapshot comes into force."""

    def replace(self, content):
        raise KeyboardInterrupt


def test_the_quarantine_of_a_snapshot_is_there_before_it_comes_into_force(shop):
    refresh(shop)
    before = shop.snapshots.require_current()
    write_reviews(shop.paths.root, [*some_reviews(), ("u1", "p1", 9, "2025-05-01 10:00:00", "")])
    paths, tools = shop.paths, shop.refresh_tools()
    stopped = Kept(StopBeforePointer(paths.snapshot_pointer), OWN_FOLDERS)
    store = SnapshotStore(paths.snapshots, paths.snapshot_pointer, paths.processed, stopped)
    with pytest.raises(KeyboardInterrupt):
        run(RefreshRequest(), replace(tools, snapshots=store))
    made = {path.stem for path in paths.quarantine.glob("*.parquet")} - {before.version}
    assert len(made) == 1
    assert quarantined(shop, made.pop())["rule"].to_list() == ["rating_out_of_range"]
    assert shop.snapshots.require_current() == before
    assert refresh(shop).n_quarantined == 1


def test_another_version_of_the_program_starts_a_full_refresh(shop, monkeypatch):
    refresh(shop)
    assert refresh(shop).status is Status.SKIPPED
    monkeypatch.setattr(data_refresh, "PROGRAM", "another version")
    result = refresh(shop)
    assert (result.mode, result.reason) == ("full", "changed: program")
    assert refresh(shop).status is Status.SKIPPED


def test_a_damaged_pointer_is_repaired_by_force_full(shop):
    refresh(shop)
    shop.paths.snapshot_pointer.write_text("{", encoding="utf-8")
    assert refresh(shop, force_full=True).status is Status.SUCCESS
    shop.snapshots.require_current().verify()


def test_a_missing_file_is_named_with_the_remedy(shop):
    (shop.paths.published_data / "data_reviews_purchase.csv").unlink()
    with pytest.raises(InputError, match=r"data_reviews_purchase\.csv is missing.*data_source"):
        refresh(shop)


def test_an_empty_file_is_named(shop):
    (shop.paths.published_data / "data_reviews_purchase.csv").write_bytes(b"")
    with pytest.raises(InputError, match=r"data_reviews_purchase\.csv is empty"):
        refresh(shop)


def test_a_file_with_a_header_alone_is_refused(shop):
    write_reviews(shop.paths.root, [])
    with pytest.raises(InputError, match="no usable row"):
        refresh(shop)


def test_a_catalogue_with_a_header_alone_is_refused(shop):
    """A half-made export would take name and price of every product away."""
    path = shop.paths.published_data / "data_product.csv"
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])
    before = shop.snapshots.current()
    with pytest.raises(InputError, match=r"data_product\.csv has a header and no product"):
        refresh(shop)
    assert shop.snapshots.current() == before


def test_a_missing_column_is_named_with_the_accepted_names_and_those_of_the_file(shop):
    write_reviews(shop.paths.root, [("u", "p", 5)], header=("user_id", "product_id", "rating"))
    with pytest.raises(InputError, match=r"column 'at' is missing.*cmt_date.*user_id, product_id"):
        refresh(shop)


def test_a_file_that_is_not_utf8_is_named_with_line_and_remedy(shop):
    path = shop.paths.published_data / "data_reviews_purchase.csv"
    lines = path.read_bytes().splitlines()
    lines[3] = b"u1,p1,5,2025-03-01 10:00:00,t\xf5t"
    path.write_bytes(b"\n".join(lines))
    with pytest.raises(InputError, match=r"line 4: byte \d+ \(0xf5\) is not UTF-8.*cp1258"):
        refresh(shop)


@pytest.mark.parametrize(
    ("bad", "rule", "reason"),
    [
        (("u1", "p1", 0, "2025-05-01", "x"), "rating_out_of_range", "rating '0' is not between"),
        (("u1", "p1", 9, "2025-05-01", "x"), "rating_out_of_range", "rating '9' is not between"),
        (("u1", "p1", "năm", "2025-05-01", "x"), "rating_not_a_number", "rating 'năm'"),
        (("u1", "p1", "", "2025-05-01", "x"), "rating_missing", "rating is empty"),
        (("u1", "p1", 5, "hôm qua", "x"), "date_unparsable", "the date 'hôm qua'"),
        (("u1", "p1", 5, "01/05/2025", "x"), "date_unparsable", "the date '01/05/2025'"),
        (("u1", "p1", 5, "", "x"), "date_missing", "the date is empty"),
        (("", "p1", 5, "2025-05-01", "x"), "user_id_missing", "user_id is empty"),
        (("u1", " ", 5, "2025-05-01", "x"), "product_id_missing", "product_id is empty"),
        (("u1", "p1", 5, "2025-05-01", "một", "hai"), "row_malformed", "columns of the header"),
        (("u1", "p1", 5, "0025-05-01", "x"), "date_out_of_range", "'0025-05-01'"),
        (("u" * 200, "p1", 5, "2025-05-01", "x"), "id_malformed", "120 bytes"),
    ],
)
def test_a_broken_row_goes_to_quarantine_with_rule_reason_and_row_number(
    tmp_path, bad, rule, reason
):
    shop = write_export(tmp_path, [*some_reviews(), bad])
    result = refresh(shop)
    rows = quarantined(shop, result.snapshot_version)
    assert rows.select("source", "row", "rule").rows() == [("data_reviews_purchase.csv", 62, rule)]
    assert reason in rows["reason"][0]
    statistics = shop.snapshots.require_current().statistics
    assert statistics["rows"]["by_rule"] == {rule: 1}
    assert statistics["n_interactions"] == 60


def test_too_many_bad_rows_stop_the_refresh_and_name_the_worst_rule_with_three_examples(tmp_path):
    bad = [(f"u{n}", "p1", 7, "2025-05-01", "x") for n in range(20)]
    shop = write_export(tmp_path, [*bad, ("u1", "p1", 5, "", "x"), *some_reviews(20)])
    with pytest.raises(InputError) as caught:
        refresh(shop)
    message = str(caught.value)
    assert "21 of 61 rows are bad" in message
    assert "'rating_out_of_range' (20 rows)" in message
    assert message.count("rating '7'") == 3
    assert not shop.paths.snapshot_pointer.exists()


def test_a_file_that_grows_while_it_is_read_is_refused(shop, monkeypatch):
    from viecomrec.adapters import raw_files

    read = raw_files.RawTable.map_batches

    def growing(table, handle):
        result = read(table, handle)
        with table.path.open("a", encoding="utf-8") as file:
            file.write("u9,p1,5,2025-03-01 10:00:00,\n")
        return result

    monkeypatch.setattr(raw_files.RawTable, "map_batches", growing)
    with pytest.raises(InputError, match="changed while it was read"):
        refresh(shop)


def test_another_shop_is_read_by_naming_its_files_and_columns(tmp_path):
    shop = write_export(tmp_path, [])
    published = shop.paths.published_data
    rows = "\n".join(
        f"{user};{product};{stars};{at[8:10]}/{at[5:7]}/{at[:4]} {at[11:]};{text}"
        for user, product, stars, at, text in some_reviews()
    )
    text = f"khach;ma;sao;ngay;loi\n{rows}\n"
    (published / "danh_gia.csv.gz").write_bytes(gzip.compress(text.encode("utf-16")))
    write_table(published / "hang.csv", ("ma", "ten"), [(f"p{n}", f"Hàng {n}") for n in range(6)])
    shop.paths.data_source_file.parent.mkdir(exist_ok=True)
    mapping = {
        "time_zone": "Asia/Ho_Chi_Minh",
        "reviews": {
            "file": "danh_gia.csv.gz",
            "columns": {
                "user_id": "khach",
                "product_id": "ma",
                "rating": "sao",
                "at": "ngay",
                "comment": "loi",
            },
        },
        "products": {"file": "hang.csv", "columns": {"product_id": "ma", "name": "ten"}},
    }
    shop.paths.data_source_file.write_text(json.dumps(mapping), encoding="utf-8")
    refresh(shop)
    assert shop.snapshots.require_current().products()["name"].to_list() == [
        f"Hàng {n}" for n in range(6)
    ]
    mapped = shop.snapshots.require_current().interactions()
    shop.paths.data_source_file.unlink()
    write_reviews(tmp_path, some_reviews())
    refresh(shop)
    assert shop.snapshots.require_current().interactions().equals(mapped)


def test_a_product_that_only_events_know_comes_after_the_catalogue(tmp_path):
    rows = [*some_reviews(), ("u1", "không có", 5, "2025-05-01 10:00:00", "x")]
    shop = write_export(tmp_path, rows)
    refresh(shop)
    last = shop.snapshots.require_current().products().tail(1)
    assert last.select("product_id", "name", "in_catalogue").row(0) == (
        "không có",
        "không có",
        False,
    )


def test_a_repeated_export_of_the_same_rows_counts_once(tmp_path):
    rows = some_reviews()
    shop = write_export(tmp_path, rows + rows)
    refresh(shop)
    statistics = shop.snapshots.require_current().statistics
    assert statistics["n_interactions"] == 60
    assert statistics["rows"]["duplicates"] == 60
