import pytest

from tests.shop_export import refresh, some_reviews, write_export, write_table
from viecomrec.domain.events import EventKind
from viecomrec.errors import InputError
from viecomrec.pipelines.event_ingest import run

HEADER = ("user_id", "product_id", "rating", "timestamp", "comment")


@pytest.fixture
def shop(tmp_path):
    shop = write_export(tmp_path, some_reviews())
    refresh(shop)
    return shop


def rows(n=10):
    return [(f"m{n}", f"p{n % 6}", 5, f"2025-07-{1 + n:02d} 09:00", "tốt") for n in range(n)]


def test_good_rows_are_staged_and_merged_by_the_next_refresh(shop, tmp_path):
    file = write_table(tmp_path / "new.csv", HEADER, rows())
    assert run(file, None, shop.ingest_tools()).n_staged == 10
    assert refresh(shop).mode == "incremental"
    merged = shop.snapshots.require_current().interactions().filter(user_id="m0")
    assert merged["at"].dt.strftime("%H:%M").to_list() == ["02:00"]


def test_the_same_file_twice_counts_once(shop, tmp_path):
    file = write_table(tmp_path / "new.csv", HEADER, rows())
    for _ in range(2):
        run(file, None, shop.ingest_tools())
        refresh(shop)
    statistics = shop.snapshots.require_current().statistics
    assert statistics["n_interactions"] == 70
    assert statistics["rows"]["duplicates"] == 10


def test_a_file_of_orders_names_its_kind_at_the_door(shop, tmp_path):
    orders = [(f"m{n}", f"p{n % 6}", f"2025-07-{1 + n:02d}") for n in range(5)]
    file = write_table(tmp_path / "orders.csv", ("user_id", "product_id", "date"), orders)
    with pytest.raises(InputError, match="rating is empty, and a review needs one"):
        run(file.rename(tmp_path / "x.csv"), None, shop.ingest_tools())


def test_a_file_of_orders_is_taken_as_purchases(shop, tmp_path):
    orders = [(f"m{n}", f"p{n % 6}", f"2025-07-{1 + n:02d}") for n in range(5)]
    file = write_table(tmp_path / "orders.csv", ("user_id", "product_id", "ts"), orders)
    assert run(file, EventKind.PURCHASE, shop.ingest_tools()).n_staged == 5
    refresh(shop)
    bought = shop.snapshots.require_current().interactions().filter(kind="purchase")
    assert bought["confidence"].to_list() == [3.5] * 5


def test_bad_rows_are_named_and_the_others_staged(shop, tmp_path):
    file = write_table(tmp_path / "new.csv", HEADER, [*rows(), ("m", "p1", 9, "2025-07-01", "x")])
    result = run(file, None, shop.ingest_tools())
    assert (result.n_staged, result.n_bad) == (10, 1)
    assert result.bad_rows == ["row 12: rating '9' is not between 1 and 5"]


def test_a_file_with_too_many_bad_rows_stages_nothing(shop, tmp_path):
    file = write_table(tmp_path / "new.csv", HEADER, [*rows(2), ("m", "p1", 9, "2025", "x")] * 2)
    with pytest.raises(InputError, match="rows are bad"):
        run(file, None, shop.ingest_tools())
    assert not list(shop.paths.staging.glob("events-*"))


def test_a_missing_file_is_named(shop, tmp_path):
    with pytest.raises(InputError, match=r"absent\.csv is missing"):
        run(tmp_path / "absent.csv", None, shop.ingest_tools())
