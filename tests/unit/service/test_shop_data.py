from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from installation import write_installation

from viecomrec.models.blend import BlendedScorer
from viecomrec.service.shop_data import _last_days, load_shop_data

NOW = datetime(2026, 1, 31, tzinfo=UTC)


def days_before(*numbers):
    return pl.DataFrame({"at": [NOW - timedelta(days=number) for number in numbers]})


def test_the_last_days_are_counted_back_from_the_newest_event():
    kept = _last_days(days_before(300, 310, 329), 28, NOW)
    assert kept["at"].to_list() == [NOW - timedelta(days=300), NOW - timedelta(days=310)]


def test_one_row_of_the_future_is_not_the_newest_event():
    kept = _last_days(days_before(-9000, 1, 2), 28, NOW)
    assert len(kept) == 2


@pytest.mark.parametrize("signal", ["popularity", "quality"])
def test_what_is_written_beside_an_item_is_what_the_scorer_counts(tmp_path, signal):
    installation = write_installation(tmp_path)
    shop = load_shop_data(installation.snapshots.require_current(), None, 28)
    item = np.ones((len(shop.quality), 2), dtype=np.float32)
    scorer = BlendedScorer.build(item, None, None, shop.blend.popularity, shop.quality, {})
    expected = scorer.same_for_all[signal][shop.catalogue.variant_group]
    written = [
        float(fragment.decode().split(f'"{signal}":')[1].split(",")[0].rstrip("}"))
        for fragment in shop.fragments._templates
    ]
    np.testing.assert_allclose(written, expected, atol=1e-3)
