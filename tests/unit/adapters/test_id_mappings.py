import json
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from viecomrec.adapters.id_mappings import lengthen_mappings, read_summary, write_mappings

START = datetime(2025, 1, 1, tzinfo=UTC)
PRODUCTS = pl.Series("product_id", ["p0", '"}, "metadata": {'])
NAMES = ["u0", 'tên "lạ"', '}, "idx_to_user": {', '"metadata": ', "u4"]


def users(*rows):
    return pl.DataFrame(
        {
            "user_id": [NAMES[row] for row in rows],
            "trainable_at": [START + timedelta(days=row) for row in rows],
        },
        schema={"user_id": pl.String, "trainable_at": pl.Datetime("us", "UTC")},
    )


def written(folder, *rows):
    write_mappings(users(*rows), PRODUCTS, folder / "all.json")
    return folder / "all.json"


def test_both_directions_of_both_mappings_are_there(tmp_path):
    content = json.loads(written(tmp_path, 0, 1).read_text(encoding="utf-8"))
    assert content["user_to_idx"] == {NAMES[0]: 0, NAMES[1]: 1}
    assert content["idx_to_user"] == {"0": NAMES[0], "1": NAMES[1]}
    assert content["item_to_idx"] == {PRODUCTS[0]: 0, PRODUCTS[1]: 1}
    assert content["idx_to_item"] == {"0": PRODUCTS[0], "1": PRODUCTS[1]}
    assert (content["metadata"]["n_users"], content["metadata"]["n_items"]) == (2, 2)


@pytest.mark.parametrize("n_before", range(6))
def test_lengthened_mappings_have_the_bytes_of_mappings_written_at_once(tmp_path, n_before):
    everybody = written(tmp_path, *range(5)).read_bytes()
    before = written(tmp_path, *range(n_before))
    lengthen_mappings(before, users(*range(n_before, 5)), tmp_path / "more.json")
    assert (tmp_path / "more.json").read_bytes() == everybody


def test_the_summary_names_who_has_the_last_row(tmp_path):
    assert read_summary(written(tmp_path, 0, 1)).newest == (START + timedelta(days=1), NAMES[1])
    assert read_summary(written(tmp_path)).newest is None
