"""The rules of the refresh on real data; skipped with a word where the data is absent."""

import shutil

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from tests.shop_export import refresh
from viecomrec.bootstrap import Installation
from viecomrec.domain.comment_text import clean
from viecomrec.domain.comment_trust import trust
from viecomrec.models.comment_quality import NgramScorer, fit_scorer
from viecomrec.paths import ProjectPaths
from viecomrec.settings import Settings


@pytest.fixture(scope="module")
def hasaki(shared_data, repository, tmp_path_factory):
    root = tmp_path_factory.mktemp("hasaki")
    (root / "config").mkdir()
    published = root / "data" / "published_data"
    published.mkdir(parents=True)
    for path in (shared_data / "hasaki").iterdir():
        shutil.copy(path, published / path.name)
    example = repository / "config" / "examples" / "data_source.hasaki.json"
    shutil.copy(example, root / "config" / "data_source.json")
    shop = Installation(ProjectPaths(root), Settings(tz="UTC"))
    refresh(shop)
    return shop


@pytest.fixture(scope="module")
def labelled(hasaki, shared_data):
    """Interactions with the event that the shop itself names for each row."""
    raw = pl.read_csv(shared_data / "hasaki" / "reviews.csv.gz", infer_schema=False)
    named = raw.select(
        "user_id",
        "product_id",
        "event_id",
        at=pl.col("ts")
        .str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="us", strict=False)
        .dt.replace_time_zone("Asia/Ho_Chi_Minh")
        .dt.convert_time_zone("UTC"),
    ).unique(["user_id", "product_id", "at"], keep="first")
    interactions = hasaki.snapshots.require_current().interactions()
    return interactions.rename({"event_id": "row_id"}).join(
        named, on=["user_id", "product_id", "at"], how="inner"
    )


def test_two_reviews_of_zero_stars_and_one_without_a_date_are_quarantined(hasaki):
    rows = hasaki.snapshots.require_current().statistics["rows"]
    assert rows["by_rule"] == {"date_missing": 1, "rating_out_of_range": 2}
    assert rows["reviews"] == 19_635


def test_our_rule_finds_the_events_that_the_shop_names(labelled):
    assert labelled.height > 19_500
    events = labelled.group_by("event_id").agg(pl.col("group_id").n_unique())
    assert (events["group_id"] == 1).all(), "an event of the shop was torn apart"
    reviews = labelled.filter(pl.col("text_id") != 0).group_by("group_id", "text_id")
    agreement = (reviews.agg(pl.col("event_id").n_unique())["event_id"] == 1).mean()
    assert agreement > 0.999


def test_pitfall_16_no_held_out_target_is_a_variant_of_what_the_user_had_before(hasaki):
    snapshot = hasaki.snapshots.require_current()
    groups = snapshot.products()["variant_group"]
    rows = snapshot.interactions().filter(part="train")
    had = set(zip(rows["user_index"], groups.gather(rows["item_index"]), strict=True))
    held_out = snapshot.held_out_targets()
    targets = list(zip(held_out["user_index"], groups.gather(held_out["item_index"]), strict=True))
    assert len(targets) > 1000
    assert not had & set(targets)
    assert len(set(targets)) == len(targets)


def test_the_quality_score_ranks_low_stars_under_five(shared_data):
    reviews = pl.read_csv(shared_data / "hasaki" / "reviews.csv.gz", infer_schema=False)
    reviews = reviews.select(
        clean(pl.col("comment")).alias("comment"), pl.col("rating").cast(pl.Int64)
    ).filter(pl.col("comment") != "")
    distinct = reviews.unique("comment", keep="first", maintain_order=True)
    fold = pl.Series(np.random.default_rng(0).integers(0, 5, distinct.height))
    scores = []
    for one in range(5):
        train = distinct.filter(fold != one)
        test = distinct.filter((fold == one) & distinct["rating"].is_in([1, 2, 3, 5]))
        quality = _quality(train, (train["rating"] >= 4).to_numpy(), test)
        scores.append(roc_auc_score(test["rating"] == 5, quality))
    assert np.mean(scores) >= 0.85


def test_the_quality_score_ranks_spam_under_what_is_no_spam(shared_data):
    train, dev = (
        pl.read_csv(shared_data / "vispamreviews" / f"{part}.csv", infer_schema=False)
        .with_columns(clean(pl.col("Comment")).alias("comment"))
        .filter(pl.col("comment") != "")
        for part in ("train", "dev")
    )
    quality = _quality(train, (train["Rating"].cast(pl.Int64) >= 4).to_numpy(), dev)
    assert roc_auc_score(dev["Label"] == "0", quality) >= 0.8


def _quality(train, is_positive, test):
    scorer = NgramScorer(fit_scorer(train["comment"].to_list(), is_positive, 42), "test")
    positive = scorer.score(test["comment"].to_list())
    return positive * trust(test["comment"]).to_numpy()
