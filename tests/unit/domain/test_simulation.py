"""The simulated shop has the real proportions, comes from its seed, and can be learnt from."""

import numpy as np
import polars as pl
import pytest

from viecomrec.domain.simulation import SimulatedShop, catalogue_size, simulate_shop
from viecomrec.domain.simulation.catalogue import build_catalogue
from viecomrec.domain.simulation.comments import (
    draw_stars,
    shorten,
    without_diacritics,
    write_comments,
)
from viecomrec.domain.simulation.faults import FAULTS
from viecomrec.domain.simulation.purchases import draw_purchases, draw_tastes

N_USERS, N_PRODUCTS, SEED = 20_000, 400, 7


@pytest.fixture(scope="module")
def shop() -> SimulatedShop:
    return simulate_shop(N_USERS, N_PRODUCTS, np.random.default_rng(SEED))


@pytest.fixture(scope="module")
def reviews(shop) -> pl.DataFrame:
    """The good rows, parsed."""
    return (
        shop.reviews.with_columns(
            pl.col("user_id", "product_id", "rating").cast(pl.Int64, strict=False),
            pl.col("cmt_date").str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False),
        )
        .drop_nulls(["user_id", "product_id", "cmt_date"])
        .filter(pl.col("rating").is_between(1, 5))
    )


def share_of_users_with(reviews: pl.DataFrame, n_products: int) -> float:
    distinct = reviews.unique(["user_id", "product_id"]).group_by("user_id").len()["len"]
    return float((distinct == n_products).mean())


def test_the_same_seed_gives_the_same_tables(shop):
    again = simulate_shop(N_USERS, N_PRODUCTS, np.random.default_rng(SEED))
    for name in ("reviews", "products", "attributes", "shops"):
        assert getattr(shop, name).equals(getattr(again, name)), name


def test_another_seed_gives_another_shop(shop):
    other = simulate_shop(N_USERS, N_PRODUCTS, np.random.default_rng(SEED + 1))
    assert not shop.reviews.equals(other.reviews)
    assert not shop.products.equals(other.products)


# The real figures: 369,099 rows, 304,708 users, 338,044 distinct pairs, histograms as published.
def test_people_write_as_often_as_in_the_real_shop(reviews):
    rows = reviews.group_by("user_id").len()["len"]
    assert len(rows) == pytest.approx(N_USERS, rel=0.002)
    assert rows.mean() == pytest.approx(1.2113, abs=0.03)
    assert (rows >= 2).mean() == pytest.approx(46_379 / 304_708, abs=0.015)
    assert (rows >= 3).mean() == pytest.approx(11_582 / 304_708, abs=0.01)
    pairs = reviews.unique(["user_id", "product_id"]).height
    assert pairs / reviews.height == pytest.approx(338_044 / 369_099, abs=0.015)


@pytest.mark.parametrize(
    ("n_products", "real", "tolerance"),
    [(1, 276_231, 0.012), (2, 24_525, 0.012), (3, 3_292, 0.005), (4, 512, 0.0015)],
)
def test_people_have_as_many_products_as_in_the_real_shop(reviews, n_products, real, tolerance):
    assert share_of_users_with(reviews, n_products) == pytest.approx(real / 304_708, abs=tolerance)


@pytest.mark.parametrize(
    ("stars", "real"), [(1, 2271), (2, 1308), (3, 3207), (4, 9147), (5, 353_166)]
)
def test_stars_have_the_real_shares(reviews, stars, real):
    assert (reviews["rating"] == stars).mean() == pytest.approx(real / 369_099, abs=0.003)


def test_comments_have_the_real_lengths(reviews):
    length = reviews["processed_comment"].str.len_chars()
    assert (length == 0).mean() == pytest.approx(9_681 / 369_099, abs=0.006)
    written = length.filter(length > 0)
    assert written.mean() == pytest.approx(92.35, abs=5)
    for quantile, real in ((0.25, 61), (0.5, 81), (0.75, 114)):
        assert written.quantile(quantile) == pytest.approx(real, abs=7)


def test_popularity_is_as_skewed_as_in_the_real_shop(reviews):
    rows = reviews.unique(["user_id", "product_id"]).group_by("product_id").len()["len"]
    assert len(rows) > 0.9 * N_PRODUCTS
    assert rows.median() / rows.mean() == pytest.approx(23 / 151.52, abs=0.12)


def test_some_comments_have_no_diacritics_and_some_are_shortened():
    stars = np.full(3000, 5)
    comments = write_comments(stars, np.zeros(3000, dtype=np.int64), np.random.default_rng(1))
    long = [comment for comment in comments if len(comment) > 40]
    plain = [comment for comment in long if comment == without_diacritics(comment)]
    assert len(plain) / len(long) == pytest.approx(0.15, abs=0.03)
    assert sum(" sp " in f" {comment} " for comment in long) > 10


def test_without_diacritics_keeps_letters_only():
    assert without_diacritics("Đóng gói rất kỹ, được tặng") == "Dong goi rat ky, duoc tang"


def test_shorten_writes_as_people_do():
    assert shorten("không được như mọi người nói") == "ko dc như mn nói"


def test_bad_reviews_complain_and_good_ones_praise():
    n = 2000
    category = np.zeros(n, dtype=np.int64)
    good = " ".join(write_comments(np.full(n, 5), category, np.random.default_rng(2)))
    bad = " ".join(write_comments(np.full(n, 1), category, np.random.default_rng(2)))
    assert good.count("thất vọng") < bad.count("quá thất vọng")
    assert "giả" in bad
    assert "hàng giả" not in good


def test_worse_products_get_the_bad_stars():
    quality = np.repeat([-2.0, 2.0], 20_000)
    stars = draw_stars(quality, np.random.default_rng(3))
    assert (stars[:20_000] < 4).mean() > 5 * (stars[20_000:] < 4).mean()
    assert (stars == 5).mean() == pytest.approx(0.9568, abs=0.001)


def test_products_of_one_order_share_a_second(reviews):
    one_each = reviews.unique(["user_id", "product_id", "cmt_date"])
    events = one_each.group_by("user_id", "cmt_date").agg(pl.col("processed_comment").n_unique())
    assert 0.02 < (events["processed_comment"] > 1).mean() < 0.08


def test_a_review_of_a_variant_stands_on_the_page_of_every_variant(shop, reviews):
    pages = (
        shop.products.filter(pl.col("variation") != "one_variation")
        .with_columns(pl.col("product_name").str.replace(r" \S+( miếng)?$", "").alias("listing"))
        .group_by("listing", "shop_id")
        .agg("product_id")
    )
    assert pages.height >= 5
    for siblings in pages["product_id"].to_list():
        texts = [
            reviews.filter(pl.col("product_id") == page)
            .select("user_id", "cmt_date", "rating", "processed_comment")
            .sort(pl.all())
            for page in siblings
        ]
        assert len(siblings) >= 2
        assert all(other.equals(texts[0]) for other in texts[1:])


def test_people_review_the_same_product_again_and_the_export_repeats_rows(reviews):
    later = reviews.unique(["user_id", "product_id", "cmt_date"])
    assert later.height < reviews.height
    assert later.unique(["user_id", "product_id"]).height < later.height


def test_nothing_is_bought_after_the_last_second_or_before_the_first_year(reviews):
    years = reviews["cmt_date"].dt.year()
    assert years.min() >= 2020
    assert str(reviews["cmt_date"].max()) <= "2026-06-30 21:47:12"
    assert (years == 2025).sum() > (years == 2023).sum() > (years == 2021).sum()


def test_a_few_rows_are_broken_in_every_known_way(shop, reviews):
    assert shop.reviews.height - reviews.height == len(FAULTS) * 2
    for column, value in FAULTS:
        assert (shop.reviews[column] == value).sum() == 2


def test_ids_agree_between_the_tables(shop, reviews):
    products = set(shop.products["product_id"].to_list())
    assert set(reviews["product_id"].to_list()) <= products
    assert set(shop.attributes["product_id"].to_list()) == products
    assert set(shop.products["shop_id"].to_list()) <= set(shop.shops["shopid"].to_list())
    assert len(products) == N_PRODUCTS


def test_no_two_pages_have_the_same_name(shop):
    assert shop.products["product_name"].n_unique() == N_PRODUCTS


def test_prices_are_rounded_as_shops_do(shop):
    prices = shop.products["price"]
    assert (prices % 1000 == 0).all()
    assert (prices.filter(prices >= 100_000) % 10_000 == 9000).all()
    assert prices.median() == pytest.approx(120_000, rel=0.35)


def test_descriptions_are_several_vietnamese_sentences(shop):
    for text in shop.products["processed_description"].to_list():
        assert text.count(". ") >= 4
        assert text != without_diacritics(text)
        assert "{" not in text


def test_star_counts_of_products_are_those_of_their_reviews(shop, reviews):
    counted = dict(reviews.group_by("product_id").len().iter_rows())
    table = dict(shop.products.select("product_id", "num_rating").iter_rows())
    assert all(table[product] == counted.get(product, 0) for product in table)


def held_out_choices(n_users):
    """Choices of listings without repeats: histories but for the last listing, and that listing."""
    rng = np.random.default_rng(SEED)
    catalogue = build_catalogue(N_PRODUCTS, rng)
    purchases = draw_purchases(catalogue, draw_tastes(n_users, rng), rng)
    histories: dict[int, list[int]] = {}
    for user, listing in zip(purchases.user.tolist(), purchases.listing.tolist(), strict=True):
        chosen = histories.setdefault(user, [])
        if listing not in chosen:
            chosen.append(listing)
    several = [chosen for chosen in histories.values() if len(chosen) > 1]
    return catalogue, [(chosen[:-1], chosen[-1]) for chosen in several]


def recall_at_10(scores, cases):
    hits = 0
    for history, target in cases:
        row = scores[history].sum(axis=0)
        row[history] = -np.inf
        hits += target in np.argsort(-row)[:10]
    return hits / len(cases)


def test_what_is_bought_together_predicts_better_than_popularity():
    """Learnt on half of the users, measured on the other half."""
    catalogue, cases = held_out_choices(60_000)
    learn, measure = cases[::2], cases[1::2]
    together = np.zeros((catalogue.n_listings, catalogue.n_listings))
    for history, target in learn:
        for listing in history:
            together[listing, target] += 1
            together[target, listing] += 1
    popularity = together.sum(axis=0) / together.sum()
    smoothed = (together + 5 * popularity) / (together.sum(axis=1, keepdims=True) + 5)
    by_popularity = recall_at_10(np.tile(popularity, (catalogue.n_listings, 1)), measure)
    assert recall_at_10(smoothed, measure) > 1.6 * by_popularity


def test_without_taste_nothing_predicts_better_than_popularity(monkeypatch):
    """The signal comes from the tastes: with them gone, what is left is popularity."""
    from viecomrec.domain.simulation import purchases

    for name in ("CONCERN_TASTE", "BRAND_TASTE", "PRICE_TASTE", "NEXT_STEP", "SAME_KIND"):
        monkeypatch.setattr(purchases, name, 0.0)
    monkeypatch.setattr(purchases, "SAME_SHOP", 0.0)
    catalogue, cases = held_out_choices(60_000)
    same_brand = np.mean(
        [catalogue.brand[history[-1]] == catalogue.brand[target] for history, target in cases]
    )
    assert same_brand < 0.12


def test_people_stay_with_their_brand_and_their_skin():
    catalogue, cases = held_out_choices(60_000)
    for attribute, floor in ((catalogue.brand, 0.35), (catalogue.concern, 0.35)):
        same = [attribute[history[-1]] == attribute[target] for history, target in cases]
        assert np.mean(same) > floor


@pytest.mark.parametrize(
    ("n_users", "n_products"), [(1, 100), (20_000, 400), (60_000, 1200), (10_000_000, 2244)]
)
def test_the_catalogue_grows_with_the_shop_up_to_the_real_size(n_users, n_products):
    assert catalogue_size(n_users) == n_products


def test_a_shop_of_one_user_is_a_shop():
    shop = simulate_shop(1, 400, np.random.default_rng(1))
    assert shop.reviews.height >= 1 + len(FAULTS)


def test_a_shop_without_users_or_products_is_refused():
    with pytest.raises(ValueError, match="at least one user"):
        simulate_shop(0, 400, np.random.default_rng(1))
    with pytest.raises(ValueError, match="20 to"):
        simulate_shop(10, 3, np.random.default_rng(1))
