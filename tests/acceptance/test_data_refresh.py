"""Section 1 of the guide, line by line: the command, its flags, its files, its messages."""

import json
import os
import pickle
import subprocess
import sys

import polars as pl
import pytest
from scipy.sparse import load_npz

from automation.data_refresh import main
from tests import tiny_models
from tests.shop_export import files_of, some_reviews, write_export, write_reviews
from viecomrec.adapters.staging import StagingLog
from viecomrec.domain.events import Event

OUTPUT_FILES = (
    "interactions.parquet",
    "X_train_confidence.npz",
    "X_train_binary.npz",
    "user_item_mappings.json",
    "user_metadata.pkl",
    "user_pos_train.pkl",
    "data_stats.json",
)


@pytest.fixture
def project(tmp_path, monkeypatch):
    write_export(tmp_path, some_reviews())
    monkeypatch.setenv("PROJECT_DIR", str(tmp_path))
    monkeypatch.setenv("TZ", "Asia/Ho_Chi_Minh")
    return tmp_path


@pytest.fixture
def data_refresh(capsys):
    """The command in this process: flags in, its one JSON object out."""

    def run(*flags, exit_code=0):
        capsys.readouterr()
        assert main(flags) == exit_code
        out = capsys.readouterr().out
        assert out.count("\n") == 1
        return json.loads(out)

    return run


def stage(project, user, *products):
    events = [
        Event(
            user_id=user,
            product_id=product,
            rating=5,
            at=f"2025-07-01T00:{n // 60:02d}:{n % 60:02d}Z",
        )
        for n, product in enumerate(products)
    ]
    StagingLog(project / "data" / "staging").append(events)


def test_the_command_writes_the_seven_output_files(project):
    done = subprocess.run(
        [sys.executable, "-m", "automation.data_refresh"],
        env=os.environ,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"] == "success"
    processed = project / "data" / "processed"
    assert {path.name for path in processed.iterdir()} >= set(OUTPUT_FILES)
    mappings = json.loads((processed / "user_item_mappings.json").read_text(encoding="utf-8"))
    assert set(mappings) == {
        "user_to_idx",
        "idx_to_user",
        "item_to_idx",
        "idx_to_item",
        "metadata",
    }
    shape = (len(mappings["user_to_idx"]), len(mappings["item_to_idx"]))
    assert load_npz(processed / "X_train_confidence.npz").shape == shape
    assert load_npz(processed / "X_train_binary.npz").shape == shape
    assert pl.read_parquet(processed / "interactions.parquet").height == 60
    positives = pickle.loads((processed / "user_pos_train.pkl").read_bytes())
    assert all(isinstance(items, set) for items in positives.values())
    metadata = pickle.loads((processed / "user_metadata.pkl").read_bytes())
    assert set(metadata["u1"]) == {"n_events", "segment", "last_at"}
    json.loads((processed / "data_stats.json").read_text(encoding="utf-8"))


def test_without_new_data_it_is_skipped_and_force_refreshes_all_the_same(project, data_refresh):
    data_refresh()
    assert data_refresh()["status"] == "skipped"
    assert data_refresh("--force")["status"] == "success"
    forced = data_refresh("--force-full")
    assert (forced["status"], forced["mode"]) == ("success", "full")


def test_dry_run_shows_the_plan_and_changes_nothing(project, data_refresh):
    before = files_of(project)
    plan = data_refresh("--dry-run")
    assert (plan["dry_run"], plan["mode"]) == (True, "full")
    assert files_of(project) == before


def test_under_one_hundred_new_events_are_merged_incrementally(project, data_refresh):
    data_refresh()
    stage(project, "u1", "p5")
    plan = data_refresh("--dry-run")
    assert (plan["status"], plan["mode"]) == ("success", "incremental")
    assert data_refresh("--skip-merge")["status"] == "skipped"
    done = data_refresh()
    assert (done["status"], done["mode"]) == ("success", "incremental")
    assert done["n_newly_trainable"] == 0
    assert not list((project / "data/staging").glob("events-*"))


def test_ninety_nine_new_events_are_incremental_and_one_hundred_run_the_full_pipeline(
    project, data_refresh
):
    data_refresh()
    stage(project, "u1", *(f"p{n % 6}" for n in range(99)))
    assert data_refresh()["mode"] == "incremental"
    stage(project, "u2", *(f"p{n % 6}" for n in range(100)))
    assert data_refresh()["mode"] == "full"


def test_newly_trainable_users_are_tracked(project, data_refresh):
    before = data_refresh()["n_trainable_users"]
    stage(project, "new", "p0", "p1")
    done = data_refresh()
    assert (done["mode"], done["n_newly_trainable"]) == ("incremental", 1)
    assert done["n_trainable_users"] == before + 1


def test_comments_are_scored_by_visobert_where_its_weights_are(project, data_refresh):
    tiny_models.write_sentiment(project / "models" / "5CD-AI--Vietnamese-Sentiment-visobert")
    assert data_refresh()["comment_scorer"]["model"] == "5CD-AI/Vietnamese-Sentiment-visobert"
    stage(project, "u1", "p5")
    done = data_refresh()
    assert (done["mode"], done["comment_scorer"]["degraded"]) == ("incremental", False)


def test_force_full_recovers_from_corrupted_data(project, data_refresh):
    version = data_refresh()["snapshot_version"]
    file = project / "data" / "snapshots" / version / "X_train_confidence.npz"
    file.chmod(0o644)
    file.write_bytes(b"corrupted")
    assert "--force-full" in data_refresh(exit_code=1)["message"]
    assert data_refresh("--force-full")["status"] == "success"
    assert load_npz(project / "data/processed/X_train_confidence.npz").nnz > 0


def test_new_items_fall_back_to_the_full_pipeline_with_the_message_of_the_guide(
    project, data_refresh
):
    data_refresh()
    stage(project, "u1", "a new product")
    done = data_refresh()
    assert done["message"] == "Falling back to full pipeline: Matrix dimension mismatch"
    assert (done["status"], done["mode"]) == ("success", "full")


def test_a_second_refresh_at_the_same_time_says_already_running(project, data_refresh):
    shop = write_export(project, some_reviews())
    with shop.lock("data_refresh"):
        second = data_refresh()
    assert second == {"status": "skipped", "message": "Already running"}


def test_the_comment_quality_lies_between_zero_and_one_and_names_its_scorer(project, data_refresh):
    scorer = data_refresh()["comment_scorer"]
    assert set(scorer) >= {"model", "version", "degraded"}
    quality = pl.read_parquet(project / "data/processed/interactions.parquet")["comment_quality"]
    assert quality.is_between(0, 1).all()


def test_a_failure_is_one_json_object_exit_code_one_and_an_alert(project, data_refresh):
    data_refresh()
    current = (project / "data/snapshots/current.json").read_bytes()
    write_reviews(project, [("u1", "p1", 0, "2025-01-01", "x")])
    failed = data_refresh(exit_code=1)
    assert failed["status"] == "failed"
    assert "rating '0' is not between 1 and 5" in failed["message"]
    assert (project / "data/snapshots/current.json").read_bytes() == current
    alerts = (project / "logs/alerts.jsonl").read_text(encoding="utf-8")
    assert "rating '0' is not between 1 and 5" in alerts


def test_an_unknown_flag_is_exit_code_two(project):
    with pytest.raises(SystemExit) as left:
        main(["--nope"])
    assert left.value.code == 2


def test_a_shop_without_files_gets_a_message_and_exit_code_one(project, data_refresh):
    (project / "data/published_data/data_reviews_purchase.csv").unlink()
    failed = data_refresh(exit_code=1)
    assert "data_reviews_purchase.csv is missing" in failed["message"]
