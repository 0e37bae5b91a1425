"""Section 6 of the guide, line by line: the command, its flag, its thresholds, its report."""

import json
import re
from datetime import UTC, datetime, timedelta

import doors
import polars as pl
import pytest
from installation import write_installation

from viecomrec.domain.drift import DriftLimits

END = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def shop(tmp_path):
    return write_installation(tmp_path)


def publish_weeks(shop, n_weeks, stars, *, n_last=70, products="p"):
    """So many weeks of 70 events; the last has other stars, another number, other products."""
    n_before = 70 * (n_weeks - 1)
    hours = [2 * n for n in range(1, 71)] * (n_weeks - 1)
    hours += [140 * n / n_last for n in range(1, n_last + 1)]
    weeks = [*(week for week in range(n_weeks - 1) for _ in range(70)), *[n_weeks - 1] * n_last]
    at = [END + timedelta(weeks=w, hours=h) for w, h in zip(weeks, hours, strict=True)]
    names = ["p"] * n_before + [products] * n_last
    events = pl.DataFrame(
        {
            "group_id": [str(number) for number in range(len(at))],
            "product_id": [f"{name}{number % 24}" for number, name in enumerate(names)],
            "rating": pl.Series([5.0] * n_before + [stars] * n_last, dtype=pl.Float32),
            "at": pl.Series(at, dtype=pl.Datetime("us", "UTC")),
        }
    )
    current = shop.snapshots.require_current().folder

    def write(folder):
        for file in current.iterdir():
            if file.name not in {"manifest.json", "interactions.parquet"}:
                (folder / file.name).write_bytes(file.read_bytes())
        events.write_parquet(folder / "interactions.parquet")

    shop.snapshots.publish(write, {"weeks": str(n_weeks)}, END + timedelta(weeks=20))


def drift_detection(shop, *flags):
    return doors.run("drift_detection", *flags, project=shop.paths.root, TZ="Asia/Ho_Chi_Minh")


def test_the_first_run_creates_the_baseline_and_later_ones_report(shop):
    publish_weeks(shop, 8, 5.0)
    first = drift_detection(shop)
    assert (first.code, first.result["status"]) == (0, "success")
    assert shop.paths.drift_baseline_file.is_file()
    publish_weeks(shop, 9, 1.0)
    second = drift_detection(shop)
    assert (second.code, second.result["drift_detected"]) == (0, True)
    assert second.result["retrain_recommended"] is True
    reports = sorted(file.name for file in shop.paths.drift_reports.iterdir())
    day = reports[0].removeprefix("drift_report_").split(".")[0]
    assert reports == [f"drift_report_{day}.html", f"drift_report_{day}.json"]
    assert re.fullmatch(r"\d{8}", day)
    report = json.loads((shop.paths.drift_reports / reports[1]).read_text(encoding="utf-8"))
    rating = report["rating_distribution"]
    assert (rating["drift_detected"], rating["total_difference"]) == (True, 2.0)
    popularity = report["popularity_distribution"]
    assert {"jaccard_similarity", "new_items", "dropped_items"} <= popularity.keys()
    assert report["interaction_rate"]["change_rate"] == pytest.approx(0, abs=0.1)


def test_update_baseline_makes_the_present_the_baseline(shop):
    publish_weeks(shop, 8, 5.0)
    drift_detection(shop)
    publish_weeks(shop, 9, 1.0)
    updated = drift_detection(shop, "--update-baseline")
    assert (updated.code, updated.result["drift_detected"]) == (0, False)
    assert drift_detection(shop).result["status"] == "skipped"


def report_of(shop):
    (file,) = shop.paths.drift_reports.glob("*.json")
    return json.loads(file.read_text(encoding="utf-8"))


def test_other_best_sellers_are_popularity_drift_and_are_named(shop):
    publish_weeks(shop, 8, 5.0)
    drift_detection(shop)
    publish_weeks(shop, 9, 5.0, products="new")
    answer = drift_detection(shop)
    report = report_of(shop)
    popularity = report["popularity_distribution"]
    assert (popularity["drift_detected"], popularity["jaccard_similarity"]) == (True, 0.0)
    assert all(name.startswith("new") for name in popularity["new_items"])
    assert all(name.startswith("p") for name in popularity["dropped_items"])
    assert len(popularity["new_items"]) == len(popularity["dropped_items"]) == 20
    assert report["rating_distribution"]["drift_detected"] is False
    assert (answer.code, answer.result["drift_detected"]) == (0, True)


def test_three_times_the_events_is_rate_drift(shop):
    publish_weeks(shop, 8, 5.0)
    drift_detection(shop)
    publish_weeks(shop, 9, 5.0, n_last=210)
    answer = drift_detection(shop)
    rate = report_of(shop)["interaction_rate"]
    assert rate["drift_detected"] is True
    assert rate["change_rate"] == pytest.approx(2.0, abs=0.3)
    assert (answer.code, answer.result["drift_detected"]) == (0, True)


def test_the_door_uses_the_thresholds_of_the_guide(shop):
    limits = shop.drift_tools().limits
    assert (limits.rating_difference, limits.min_jaccard, limits.rate_change) == (0.1, 0.8, 0.3)


def test_the_thresholds_are_those_of_the_guide():
    limits = DriftLimits()
    assert (limits.rating_difference, limits.min_jaccard, limits.rate_change) == (0.1, 0.8, 0.3)
    assert limits.top_items == 20
