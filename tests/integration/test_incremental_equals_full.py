"""Whatever comes in whatever order: the incremental way gives the bytes of a full rebuild."""

import json
import shutil
import tempfile
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.shop_export import BAD, GOOD, files_of, refresh, some_reviews, write_export
from viecomrec.adapters import merged_events
from viecomrec.adapters.staging import StagingLog
from viecomrec.domain.events import Event
from viecomrec.domain.incremental import FALLBACK_MESSAGE

FIRST_NEW_DAY = datetime(2025, 6, 1, tzinfo=UTC)


@pytest.fixture(scope="module", autouse=True)
def _record_of_merged_files_is_used():
    """It is written after so few files that most examples read it."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(merged_events, "_MAX_UNKNOWN", 1)
        yield


@pytest.fixture(scope="module")
def refreshed(tmp_path_factory):
    root = tmp_path_factory.mktemp("shop")
    refresh(write_export(root, some_reviews()))
    return root


def copy_of(refreshed, folder):
    """A shop of its own with the same first snapshot; snapshots are read-only, copies are not."""
    root = Path(folder) / "shop"
    shutil.copytree(refreshed, root)
    return write_export(root, some_reviews())


def event(user, product, minutes=0, **fields):
    return Event(
        user_id=user,
        product_id=f"p{product}",
        at=FIRST_NEW_DAY + timedelta(minutes=minutes),
        **{"kind": "review", "rating": 5.0, **fields},
    )


def assert_equals_full_rebuild(shop):
    incremental = shop.snapshots.require_current()
    quarantine = shop.paths.quarantine / f"{incremental.version}.parquet"
    before, quarantined = files_of(incremental.folder), quarantine.read_bytes()
    refresh(shop, force_full=True)
    full = shop.snapshots.require_current()
    after = files_of(full.folder)
    for name in sorted(before.keys() - {"manifest.json"}):
        assert after[name] == before[name], name
    assert full.version == incremental.version
    assert quarantine.read_bytes() == quarantined


# A user of the export (u1), one with a single event (lone), and new ones; products of the
# catalogue and one that nobody knows; times that go back before the export.
batches = st.lists(
    st.lists(
        st.builds(
            lambda user, product, minutes, kind, rating, text: event(
                user,
                product,
                minutes,
                kind=kind,
                rating=rating if kind == "review" or rating == 4 else None,
                comment=text,
            ),
            st.sampled_from(["u1", "u2", "u3", "new1", "new2", "lone"]),
            st.sampled_from([0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5, 99]),
            st.sampled_from([0, 1, 2, 60, 600, 6000, 60_000, -200_000]),
            st.sampled_from(["review", "review", "review", "purchase", "cart", "view"]),
            st.sampled_from([1.0, 3.0, 4.0, 5.0]),
            st.sampled_from([None, GOOD, BAD, "cùng một lời"]),
        ),
        min_size=1,
        max_size=6,
    ),
    min_size=1,
    max_size=4,
)


def test_after_every_step_the_files_equal_those_of_a_full_rebuild(refreshed):
    modes: Counter[str] = Counter()

    @settings(max_examples=25)
    @given(batches)
    def holds(steps):
        with tempfile.TemporaryDirectory() as folder:
            shop = copy_of(refreshed, folder)
            log = StagingLog(shop.paths.staging)
            for step, batch in enumerate(steps):
                log.append([_in_step(one, step, n) for n, one in enumerate(batch)])
                modes[refresh(shop).mode] += 1
                assert_equals_full_rebuild(shop)

    holds()
    assert modes["incremental"] >= 10
    assert modes["full"] >= 1


def _in_step(one, step, number):
    """The same event, later by the step: later batches mostly come later."""
    at = one.at + timedelta(days=step)
    return one.model_copy(update={"at": at, "event_id": f"{step}-{number}"})


@pytest.fixture
def shop(refreshed, tmp_path):
    return copy_of(refreshed, tmp_path)


def refresh_with(shop, *events):
    StagingLog(shop.paths.staging).append(events)
    return refresh(shop)


def test_a_newly_trainable_user_takes_the_incremental_path_as_the_next_row(shop):
    ids = shop.snapshots.require_current().id_map
    result = refresh_with(shop, event("new", 0, 1), event("new", 1, 2))
    assert (result.mode, result.n_newly_trainable) == ("incremental", 1)
    after = shop.snapshots.require_current().id_map
    assert after.user_ids == (*ids.user_ids, "new")
    assert_equals_full_rebuild(shop)


def test_ninety_nine_events_are_incremental_and_one_hundred_are_not(shop):
    few = [event(f"n{n}", n % 6, n) for n in range(99)]
    assert refresh_with(shop, *few).mode == "incremental"
    assert_equals_full_rebuild(shop)
    many = [event(f"m{n}", n % 6, 1000 + n) for n in range(100)]
    assert refresh_with(shop, *many).mode == "full"


def test_a_new_product_falls_back_with_the_message_of_the_guide(shop):
    result = refresh_with(shop, event("u1", 77))
    assert result.message == "Falling back to full pipeline: Matrix dimension mismatch"
    assert (result.mode, result.reason) == ("full", "new products: p77")
    assert shop.snapshots.require_current().id_map.item_index("p77") == 6


def test_late_events_that_change_the_order_fall_back(shop):
    result = refresh_with(shop, event("late", 0, -300_000), event("late", 1, -300_000 + 1))
    assert (result.message, result.mode) == (FALLBACK_MESSAGE, "full")
    assert "order" in result.reason


def test_an_event_under_the_id_of_a_row_of_the_export_does_not_count(shop):
    row_id = shop.snapshots.require_current().interactions()["event_id"][0]
    result = refresh_with(shop, event("u1", 4, 7, event_id=row_id), event("u2", 5, 8))
    statistics = shop.snapshots.require_current().statistics
    assert (result.mode, statistics["n_interactions"]) == ("incremental", 61)
    assert_equals_full_rebuild(shop)


def test_reviews_that_make_two_products_variants_fall_back(shop):
    said = [
        event(f"v{user}", product, 10 * user, comment=f"cùng một lời {user}")
        for user in range(12)
        for product in (4, 5)
    ]
    result = refresh_with(shop, *said)
    assert (result.mode, result.reason) == ("full", "the groups of product variants change")
    groups = shop.snapshots.require_current().products()["variant_group"].to_list()
    assert groups == ["p0", "p1", "p2", "p3", "p4", "p4"]


def test_a_newer_review_corrects_the_older_one(shop):
    snapshot = shop.snapshots.require_current()
    pair = snapshot.id_map.user_index("u1"), snapshot.id_map.item_index("p1")
    assert snapshot.matrices().confidence[pair] > 5
    corrections = [event("u1", 1, 10, rating=1.0), event("u1", 4, 20)]
    assert refresh_with(shop, *corrections).mode == "incremental"
    assert shop.snapshots.require_current().matrices().confidence[pair] < 2.1
    assert_equals_full_rebuild(shop)


def test_an_event_that_is_delivered_again_counts_once(shop):
    first = event("u1", 3, 5, event_id="e1")
    refresh_with(shop, first)
    n = shop.snapshots.require_current().statistics["n_interactions"]
    again = refresh_with(shop, first, event("u1", 4, 9))
    assert again.mode == "incremental"
    statistics = shop.snapshots.require_current().statistics
    assert statistics["n_interactions"] == n + 1
    assert statistics["rows"]["duplicates"] == 1
    assert_equals_full_rebuild(shop)


def test_one_event_id_with_two_contents_is_quarantined_with_both(shop):
    refresh_with(shop, event("u1", 3, 5, event_id="e1"))
    result = refresh_with(shop, event("u1", 3, 5, event_id="e1", rating=1.0))
    assert (result.mode, result.n_quarantined) == ("incremental", 2)
    rows = shop.refresh_tools().sources.quarantine.read(result.snapshot_version)
    assert rows["rule"].to_list() == ["event_id_conflict"] * 2
    assert sorted(rows["rating"]) == ["1.0", "5.0"]
    kept = shop.snapshots.require_current().interactions().filter(event_id="e1")
    assert kept["rating"].to_list() == [5.0]
    assert_equals_full_rebuild(shop)


def test_a_broken_staged_row_is_quarantined_and_the_others_count(shop):
    shop.paths.staging.mkdir(parents=True)
    lines = [
        event("u1", 3, 5).as_line(),
        json.dumps({"user_id": "u1", "product_id": "p2", "rating": 0, "at": "2025-07-01"}),
        "không phải JSON",
    ]
    (shop.paths.staging / "events-1-0123456789ab.jsonl").write_text(
        "\n".join(lines) + "\n", encoding="utf-8"
    )
    result = refresh(shop)
    assert (result.mode, result.n_quarantined) == ("incremental", 2)
    assert_equals_full_rebuild(shop)
