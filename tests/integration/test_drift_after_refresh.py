"""Drift detection on snapshots that the refresh itself wrote, week after week."""

from dataclasses import replace
from datetime import datetime, timedelta

from shop_export import GOOD, refresh, write_export, write_reviews

from viecomrec.pipelines import drift_detection

FIRST_DAY = datetime(2025, 3, 3)  # noqa: DTZ001 - a shop's export has local times
N_PRODUCTS = 40


def week_of_reviews(week, *, stars=5, weekly=140, first_product=0):
    """Each review of a week by another user; product 0 is bought most, product 39 least."""
    rows = []
    for n in range(weekly):
        at = FIRST_DAY + timedelta(weeks=week, minutes=n * 60 * 24 * 7 / weekly + 1)
        product = (first_product + int(N_PRODUCTS * (n / weekly) ** 2)) % N_PRODUCTS
        user, text = f"u{week}-{n}", f"{GOOD} {week} {n}"
        rows.append((user, f"p{product}", stars, f"{at:%Y-%m-%d %H:%M:%S}", text))
    return rows


def detect(shop):
    return drift_detection.run(shop.drift_tools(), update_baseline=False)


def calm_weeks(n_weeks):
    return [row for week in range(n_weeks) for row in week_of_reviews(week)]


def test_pitfall_14_drift_runs_week_after_week_on_what_the_refresh_wrote(tmp_path):
    shop = write_export(tmp_path, calm_weeks(8), n_products=N_PRODUCTS)
    assert refresh(shop).status == "success"
    assert detect(shop).message.startswith("Baseline made")
    for week in (9, 10):
        write_reviews(tmp_path, calm_weeks(week))
        assert refresh(shop).status == "success"
        result = detect(shop)
        assert (result.status, result.drift_detected) == ("success", False), result
    changed = week_of_reviews(10, stars=3, weekly=400, first_product=25)
    write_reviews(tmp_path, [*calm_weeks(10), *changed])
    refresh(shop)
    result = detect(shop)
    measures = {
        name: getattr(result, name)
        for name in ("rating_distribution", "popularity_distribution", "interaction_rate")
    }
    assert all(one["drift_detected"] for one in measures.values())
    assert measures["popularity_distribution"]["jaccard_similarity"] < 0.8
    assert measures["popularity_distribution"]["new_items"]
    assert measures["popularity_distribution"]["dropped_items"]
    assert measures["interaction_rate"]["change_rate"] > 0.3


def test_the_thresholds_of_the_settings_are_the_ones_in_force(tmp_path):
    shop = write_export(tmp_path, calm_weeks(8), n_products=N_PRODUCTS)
    refresh(shop)
    detect(shop)
    write_reviews(tmp_path, [*calm_weeks(8), *week_of_reviews(8, weekly=400)])
    refresh(shop)
    numbers = shop.settings.drift.model_copy(update={"rate_change": 5.0})
    patient = replace(shop, settings=shop.settings.model_copy(update={"drift": numbers}))
    assert not detect(patient).interaction_rate["drift_detected"]
    assert detect(shop).interaction_rate["drift_detected"]
    assert shop.drift_tools().limits == drift_detection.DriftLimits()
