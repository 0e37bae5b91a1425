"""Drift detection on real snapshots: weeks of events, one of which may be different."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET

import numpy as np
import polars as pl
import pytest

from viecomrec.adapters.drift_files import BaselineStore
from viecomrec.bootstrap import Installation
from viecomrec.domain.results import Status
from viecomrec.errors import ConfigurationError, InputError, SnapshotError
from viecomrec.paths import ProjectPaths
from viecomrec.pipelines import drift_detection
from viecomrec.settings import Settings

END = datetime(2025, 1, 27, tzinfo=UTC)
NOW = datetime(2025, 2, 3, 2, tzinfo=UTC)
N_PRODUCTS = 60


@pytest.fixture
def shop(tmp_path):
    (tmp_path / "config").mkdir()
    return Installation(ProjectPaths(tmp_path), Settings(tz="Asia/Ho_Chi_Minh"), lambda: NOW)


def weeks(n_weeks, weekly, *, end=END, stars=5.0, first_product=0, seed=0):
    """Events of the weeks before `end`, popular products first, the last one exactly at `end`."""
    rng = np.random.default_rng(seed)
    n = n_weeks * weekly
    shares = 1 / (1 + np.arange(N_PRODUCTS))
    product = rng.choice(N_PRODUCTS, n, p=shares / shares.sum())
    at = [end - timedelta(seconds=float(s)) for s in rng.uniform(1, n_weeks * 604_799, n)]
    at[0] = end
    return pl.DataFrame(
        {
            "group_id": [f"{seed}-{end:%m%d}-{row}" for row in range(n)],
            "product_id": [f"p{(first_product + one) % N_PRODUCTS}" for one in product],
            "rating": pl.Series([stars] * n, dtype=pl.Float32),
            "at": pl.Series(at, dtype=pl.Datetime("us", "UTC")),
        }
    )


def publish(shop, *frames, names=None):
    products = pl.DataFrame(
        {
            "product_id": [f"p{n}" for n in range(N_PRODUCTS)],
            "name": names or [f"Sữa rửa mặt {n}" for n in range(N_PRODUCTS)],
            "variant_group": [f"p{n}" for n in range(N_PRODUCTS)],
        }
    )

    def write(folder):
        pl.concat(frames).write_parquet(folder / "interactions.parquet")
        products.write_parquet(folder / "products.parquet")
        for name in ("X_train_confidence.npz", "X_train_binary.npz", "user_metadata.pkl"):
            (folder / name).touch()
        for name in ("user_pos_train.pkl", "user_item_mappings.json", "data_stats.json"):
            (folder / name).touch()

    shop.snapshots.publish(write, {}, NOW + timedelta(days=60))


def detect(shop, *, update_baseline=False, **changes):
    tools = replace(shop.drift_tools(), **changes)
    return drift_detection.run(tools, update_baseline=update_baseline)


def report_of(shop):
    file = shop.paths.drift_reports / "drift_report_20250203.json"
    return json.loads(file.read_text(encoding="utf-8"))


def test_the_first_run_makes_the_baseline_of_the_last_weeks(shop):
    publish(shop, weeks(12, 100))
    result = detect(shop)
    assert (result.status, result.drift_detected) == (Status.SUCCESS, False)
    baseline = BaselineStore(shop.paths.drift_baseline_file).read()
    assert len(baseline.weekly) == 8
    assert baseline.end == END
    assert not shop.paths.drift_reports.exists()


def test_without_new_events_there_is_nothing_to_compare(shop):
    publish(shop, weeks(8, 100))
    detect(shop)
    assert detect(shop).status is Status.SKIPPED


def test_a_quiet_week_is_no_drift_and_the_report_has_the_keys_of_the_guide(shop):
    publish(shop, weeks(8, 300))
    detect(shop)
    publish(shop, weeks(8, 300), weeks(1, 300, end=END + timedelta(days=7), seed=1))
    result = detect(shop)
    assert result.drift_detected is False
    assert result.report == "reports/drift/drift_report_20250203.json"
    report = report_of(shop)
    assert {"drift_detected", "total_difference"} <= report["rating_distribution"].keys()
    assert {"jaccard_similarity", "new_items", "dropped_items"} <= report[
        "popularity_distribution"
    ].keys()
    assert "change_rate" in report["interaction_rate"]
    for measure in ("rating_distribution", "popularity_distribution", "interaction_rate"):
        assert report[measure]["noise_band"].keys() == {"low", "high", "p_value"}
    assert report["timestamp"] == "2025-02-03T09:00:00"


@pytest.mark.parametrize(
    ("changed", "measure"),
    [
        ({"stars": 3.0}, "rating_distribution"),
        ({"first_product": 30}, "popularity_distribution"),
        ({"weekly": 700}, "interaction_rate"),
    ],
)
def test_a_changed_week_is_found_by_its_measure_alone(shop, changed, measure):
    publish(shop, weeks(8, 300))
    detect(shop)
    week = {"n_weeks": 1, "weekly": 300, "end": END + timedelta(days=7), "seed": 1, **changed}
    publish(shop, weeks(8, 300), weeks(**week))
    result = detect(shop)
    assert result.drift_detected
    assert result.retrain_recommended
    report = report_of(shop)
    measures = ("rating_distribution", "popularity_distribution", "interaction_rate")
    assert [name for name in measures if report[name]["drift_detected"]] == [measure]
    alert = json.loads(shop.paths.alerts_file.read_text(encoding="utf-8"))
    assert (alert["pipeline_name"], alert["severity"]) == ("drift_detection", "warning")


def test_only_the_last_week_is_compared_and_not_everything(shop):
    publish(shop, weeks(8, 300))
    detect(shop)
    calm_end = END + timedelta(days=28)
    loud = weeks(1, 900, end=END + timedelta(days=7), seed=1)
    publish(shop, weeks(8, 300), loud, weeks(3, 300, end=calm_end, seed=2))
    assert detect(shop).drift_detected is False
    assert report_of(shop)["recent_start"] == "2025-02-17T00:00:00Z"


def test_pitfall_16_one_review_on_every_variant_counts_once(shop):
    frame = weeks(8, 100)
    copies = pl.concat([frame.with_columns(product_id=pl.lit(f"p{n}")) for n in range(5)])
    products = pl.DataFrame({"product_id": [f"p{n}" for n in range(5)], "variant_group": "p0"})
    from viecomrec.domain.drift_windows import comparable_events

    assert comparable_events(copies, products).height == frame.height


def test_the_baseline_is_made_anew_where_asked_to(shop):
    publish(shop, weeks(8, 300))
    detect(shop)
    publish(shop, weeks(8, 300), weeks(1, 300, end=END + timedelta(days=7), seed=1))
    assert detect(shop, update_baseline=True).message.startswith("Baseline made")
    assert BaselineStore(shop.paths.drift_baseline_file).read().end == END + timedelta(days=7)
    assert not list(shop.paths.drift_baseline_file.parent.glob("*aside*"))


@pytest.mark.parametrize("content", ["", '{"schema_ver', "[]", '{"created": "2024"}'])
def test_a_torn_or_old_baseline_is_set_aside_and_said(shop, content):
    publish(shop, weeks(8, 100))
    file = shop.paths.drift_baseline_file
    file.parent.mkdir(parents=True)
    file.write_text(content, encoding="utf-8")
    result = detect(shop)
    assert "could not be read" in result.message
    aside = file.with_name("baseline.aside-20250203_020000.json")
    assert aside.read_text(encoding="utf-8") == content
    assert BaselineStore(file).read() is not None


def test_a_baseline_of_a_newer_program_is_refused_and_kept(shop):
    publish(shop, weeks(8, 100))
    file = shop.paths.drift_baseline_file
    file.parent.mkdir(parents=True)
    file.write_text('{"schema_version": 99}', encoding="utf-8")
    with pytest.raises(ConfigurationError, match="newer program"):
        detect(shop)
    assert file.read_text(encoding="utf-8") == '{"schema_version": 99}'


def test_without_a_snapshot_the_remedy_is_named(shop):
    with pytest.raises(SnapshotError, match="data_refresh"):
        detect(shop)


def test_a_shop_without_events_is_named(shop):
    publish(shop, weeks(1, 100).clear())
    with pytest.raises(InputError, match="no event"):
        detect(shop)


def test_drift_starts_a_training_only_where_configured_and_not_too_often(shop):
    publish(shop, weeks(8, 300))
    detect(shop)
    publish(shop, weeks(8, 300), weeks(1, 900, end=END + timedelta(days=7), seed=1))
    assert detect(shop).training is None
    started = []

    def train():
        started.append(1)
        return {"status": "success"}

    assert detect(shop, start_training=train).training == {"status": "success"}
    again = detect(shop, start_training=train, last_training_at=lambda: NOW - timedelta(days=3))
    assert again.training["status"] == "skipped"
    detect(shop, start_training=train, last_training_at=lambda: NOW - timedelta(days=8))
    assert len(started) == 2


def test_the_page_is_whole_loads_nothing_and_runs_nothing_of_the_shop(shop):
    hostile = '<script>alert("x")</script><img src="http://evil.example/x.png">'
    names = [hostile] * N_PRODUCTS
    publish(shop, weeks(8, 300), names=names)
    detect(shop)
    changed = weeks(1, 300, end=END + timedelta(days=7), seed=1, first_product=30)
    publish(shop, weeks(8, 300), changed, names=names)
    detect(shop)
    page = (shop.paths.drift_reports / "drift_report_20250203.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "<img" not in page
    assert "src=" not in page.replace("src=&quot;", "")
    assert page.count("<svg") == 3
    for start in range(page.count("<svg")):
        picture = page.split("<svg")[start + 1].split("</svg>")[0]
        ET.fromstring("<svg" + picture + "</svg>")
    assert "NEW " in page
    assert "Cửa hàng đã thay đổi" in page


def test_a_date_years_ahead_does_not_silence_the_watch(shop):
    ahead = weeks(1, 1, end=datetime(2099, 1, 1, tzinfo=UTC), seed=9)
    publish(shop, weeks(8, 300), ahead)
    first = detect(shop)
    assert first.n_future_events == 1
    assert BaselineStore(shop.paths.drift_baseline_file).read().end == END
    changed = weeks(1, 300, end=END + timedelta(days=7), seed=1, stars=3.0)
    publish(shop, weeks(8, 300), ahead, changed)
    assert detect(shop).drift_detected
