from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stationary import StationaryShop

from viecomrec.domain import drift as rules
from viecomrec.domain.drift import DriftLimits, Window

START = datetime(2025, 1, 6, tzinfo=UTC)
LIMITS = DriftLimits(n_resamples=499)
SHIFTS = {
    "ratings": (rules.compare_ratings, lambda shop: {"stars": shop.shifted_stars()}),
    "popularity": (
        rules.compare_popularity,
        lambda shop: {"popularity": shop.shifted_popularity()},
    ),
    "rate": (rules.compare_rate, lambda shop: {"rate": 1.6}),
}


def rng(seed=0):
    return np.random.default_rng(seed)


def window(items, *, ratings=(0, 0, 0, 0, 10), weekly=(10,), n_weeks=1):
    return Window(START, START + timedelta(weeks=n_weeks), ratings, items, weekly)


counts = st.dictionaries(
    st.sampled_from([f"p{n}" for n in range(40)]), st.integers(1, 50), min_size=1
)
stars = st.tuples(*[st.integers(0, 200)] * 5)


@settings(max_examples=25)
@given(counts, stars)
def test_drift_of_data_against_itself_is_zero(items, ratings):
    same = window(items, ratings=ratings, weekly=(sum(items.values()),))
    rating = rules.compare_ratings(same, same, LIMITS, rng())
    popularity = rules.compare_popularity(same, same, LIMITS, rng())
    rate = rules.compare_rate(same, same, LIMITS, rng())
    assert (rating.total_difference, popularity.jaccard_similarity, rate.change_rate) == (0, 1, 0)
    assert not any(one.drift_detected for one in (rating, popularity, rate))
    assert popularity.new_items == popularity.dropped_items == ()


def test_the_total_difference_is_the_guides_sum_over_the_stars():
    before = window({"a": 1}, ratings=(0, 0, 0, 50, 50))
    now = window({"a": 1}, ratings=(10, 0, 0, 40, 50))
    found = rules.compare_ratings(before, now, LIMITS, rng())
    assert found.total_difference == pytest.approx(0.2)
    assert found.recent_shares == (0.1, 0, 0, 0.4, 0.5)


def test_the_jaccard_similarity_is_that_of_the_top_20():
    before = window({f"p{n:02}": 100 - n for n in range(30)})
    now = window({f"p{n:02}": 100 - n for n in range(5, 35)})
    found = rules.compare_popularity(before, now, LIMITS, rng())
    assert found.jaccard_similarity == 15 / 25
    assert found.new_items == ("p20", "p21", "p22", "p23", "p24")
    assert found.dropped_items == ("p00", "p01", "p02", "p03", "p04")


def test_equal_counts_are_ordered_by_product_so_that_no_run_differs_from_the_next():
    tied = {f"p{n:02}": 3 for n in range(50)}
    shuffled = dict(sorted(tied.items(), key=lambda one: hash(one[0])))
    found = rules.compare_popularity(window(tied), window(shuffled), LIMITS, rng())
    assert found.jaccard_similarity == 1


def test_the_change_of_rate_is_against_the_mean_week():
    before = window({"a": 300}, weekly=(100, 90, 110), n_weeks=3)
    assert rules.compare_rate(before, window({"a": 150}), LIMITS, rng()).change_rate == 0.5
    assert rules.compare_rate(before, window({"a": 50}), LIMITS, rng()).change_rate == -0.5


def test_a_shop_of_ten_events_a_week_is_not_alarmed_by_four_more():
    before = window({"a": 80}, weekly=(10,) * 8, n_weeks=8)
    found = rules.compare_rate(before, window({"a": 14}), LIMITS, rng())
    assert found.passes_threshold
    assert not found.drift_detected
    assert found.noise_band.high > 0.4


def test_weeks_that_always_vary_widen_the_band():
    calm = window({"a": 8000}, weekly=(1000,) * 8, n_weeks=8)
    wild = window({"a": 8000}, weekly=(500, 1500) * 4, n_weeks=8)
    limits = DriftLimits()
    now = window({"a": 1400})
    assert rules.compare_rate(calm, now, limits, rng()).drift_detected
    assert not rules.compare_rate(wild, now, limits, rng()).drift_detected


def test_limits_under_which_nothing_could_ever_be_found_are_refused():
    with pytest.raises(ValueError, match="at least 499 resamples"):
        DriftLimits(alpha=0.002, n_resamples=200)


def test_part_of_a_week_is_no_rate_to_compare():
    now = replace(window({"a": 3}), end=START + timedelta(days=2))
    found = rules.compare_rate(window({"a": 100}, weekly=(100,)), now, LIMITS, rng())
    assert not found.is_comparable
    assert not found.drift_detected


def test_unrated_events_leave_the_ratings_uncompared():
    found = rules.compare_ratings(
        window({"a": 9}), window({"a": 9}, ratings=(0, 0, 0, 0, 0)), LIMITS, rng()
    )
    assert (found.is_comparable, found.drift_detected, found.noise_band) == (False, False, None)


def test_the_same_seed_gives_the_same_band():
    shop = StationaryShop(1000, rng(5))
    before, now = shop.window(8), shop.window(1)
    first, second = (
        rules.compare_popularity(before, now, LIMITS, rng(7)).noise_band for _ in range(2)
    )
    assert first == second


def test_drift_needs_the_threshold_and_more_than_chance():
    before = window({"a": 1000}, ratings=(0, 0, 0, 0, 100_000))
    slight = window({"a": 1000}, ratings=(0, 0, 0, 3_000, 97_000))
    found = rules.compare_ratings(before, slight, DriftLimits(), rng())
    assert found.noise_band.p_value <= DriftLimits().alpha
    assert not found.drift_detected


@pytest.mark.parametrize("weekly", [300, 3000])
def test_pitfall_31_a_shop_in_which_nothing_changes_is_not_alarmed(weekly):
    """The small version of `make bench-drift`; the guide's own rule fires nearly every week."""
    generator = rng(weekly)
    alarms = rule_fires = 0
    for _ in range(6):
        shop = StationaryShop(weekly, generator)
        before, now = shop.window(8), shop.window(1)
        found = [compare(before, now, LIMITS, generator) for compare, _ in SHIFTS.values()]
        alarms += any(one.drift_detected for one in found)
        rule_fires += any(one.passes_threshold for one in found)
    assert alarms == 0
    assert rule_fires >= 1


@pytest.mark.parametrize("shift", SHIFTS)
def test_shifts_of_the_stated_size_are_found_at_3000_events_a_week(shift):
    compare, changes = SHIFTS[shift]
    generator = rng(1)
    limits = DriftLimits(n_resamples=499)
    found = 0
    for _ in range(3):
        shop = StationaryShop(3000, generator)
        before, now = shop.window(8), shop.window(1, **changes(shop))
        found += compare(before, now, limits, generator).drift_detected
    assert found == 3
