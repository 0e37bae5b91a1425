"""The measure of cold items tells a text that helps from one that does not."""

import numpy as np
import planted

from viecomrec.domain.recipes import AlsRecipe
from viecomrec.models.cold_items import choose_folds, hide, measure_cold_items

RECIPE = AlsRecipe(
    name="content",
    factors=16,
    regularization=0.1,
    iterations=10,
    alpha=5.0,
    content_scale=0.3,
    cold_threshold=1,
)


def test_pitfall_07_the_metric_shows_that_texts_help_cold_items_and_shuffled_ones_do_not():
    data = planted.clusters(content=True)
    found = measure_cold_items(data, RECIPE, np.random.default_rng(0))
    assert found["n_cold_items"] == 120
    from_text = found["from_text"]["among_cold"]
    for other in ("from_shuffled_text", "zero_factors", "popularity"):
        assert from_text > 1.5 * found[other]["among_cold"], other
    assert found["zero_factors"]["all"] < found["from_text"]["all"]


def test_hidden_products_leave_no_trace_in_the_training():
    data = planted.clusters(content=True)
    folds = choose_folds(data, np.random.default_rng(0))
    assert sorted(np.concatenate(folds)) == list(range(data.matrices.n_items))
    hidden = folds[0]
    shop, targets = hide(data, hidden)
    assert not shop.item_counts[hidden].any()
    assert set(targets.item_index) <= set(hidden.tolist())
    kept = shop.matrices.confidence.nnz + np.isin(data.matrices.confidence.indices, hidden).sum()
    assert kept == data.matrices.confidence.nnz


def test_without_texts_there_is_nothing_to_measure():
    assert measure_cold_items(planted.clusters(), RECIPE, np.random.default_rng(0)) is None
