from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from viecomrec.domain import cleanup as rules
from viecomrec.domain.cleanup import Entry
from viecomrec.domain.registry import ModelRecord, Registry

NOW = datetime(2025, 6, 1, tzinfo=UTC)
IDS = [f"{kind}_20250101_v{number}" for kind in ("als", "bpr") for number in range(1, 11)]


def record(model_id, minutes_old):
    return ModelRecord(
        model_id=model_id,
        model_type=model_id[:3],
        path=f"{model_id[:3]}/{model_id}",
        created_at_utc=(NOW - timedelta(minutes=minutes_old)).isoformat(),
        snapshot_version="s",
        above_popularity=True,
    )


@st.composite
def registries(draw):
    ages = draw(st.dictionaries(st.sampled_from(IDS), st.integers(-100, 10_000), max_size=20))
    models = {model_id: record(model_id, age) for model_id, age in ages.items()}
    pointer = st.sampled_from([None, *models]) if models else st.none()
    return Registry(
        models=models,
        current_best=draw(pointer),
        desired=draw(pointer),
        deployed=draw(pointer),
        rollback_target=draw(pointer),
    )


subsets = st.sets(st.sampled_from(IDS), max_size=4)


@given(registries(), subsets, subsets, st.integers(0, 6))
def test_pitfall_34_nothing_referenced_pinned_in_use_or_young_is_ever_chosen(
    registry, pinned, in_use, keep
):
    registry = registry.model_copy(update={"pinned": tuple(pinned)})
    referenced = rules.referenced_models(registry, in_use)
    chosen = rules.models_to_delete(
        registry, keep=keep, referenced=referenced, now=NOW, modified_at=lambda _record: None
    )
    ids = {one.model_id for one in chosen}
    pointers = {
        registry.current_best,
        registry.desired,
        registry.deployed,
        registry.rollback_target,
    }
    assert not ids & (pointers | pinned | in_use)
    assert all(NOW - datetime.fromisoformat(one.created_at_utc) > rules.MIN_AGE for one in chosen)
    for kind in ("als", "bpr"):
        of_kind = [one for one in registry.models.values() if one.model_type == kind]
        left = [one for one in of_kind if one.model_id not in ids]
        assert len(left) >= min(keep, len(of_kind))
        newest = sorted(of_kind, key=lambda one: one.created_at_utc, reverse=True)[:keep]
        oldest_kept = min((one.created_at_utc for one in newest), default="")
        assert all(
            one.created_at_utc <= oldest_kept for one in chosen if one.model_type == kind and keep
        )


def test_old_models_beyond_the_newest_do_go():
    models = {model_id: record(model_id, 1000 - n) for n, model_id in enumerate(IDS[:10])}
    registry = Registry(models=models, deployed=IDS[0])
    chosen = rules.models_to_delete(
        registry, keep=5, referenced={IDS[0]}, now=NOW, modified_at=lambda _record: None
    )
    assert sorted(one.model_id for one in chosen) == sorted(IDS[1:5])


def test_a_folder_written_to_a_moment_ago_is_young_whatever_the_registry_says():
    registry = Registry(models={IDS[0]: record(IDS[0], 1000)})
    chosen = rules.models_to_delete(
        registry, keep=0, referenced=(), now=NOW, modified_at=lambda _record: NOW
    )
    assert chosen == []


def test_a_time_that_cannot_be_read_keeps_the_model():
    odd = record(IDS[0], 1000).model_copy(update={"created_at_utc": "yesterday"})
    registry = Registry(models={IDS[0]: odd})
    assert (
        rules.models_to_delete(
            registry, keep=0, referenced=(), now=NOW, modified_at=lambda _record: None
        )
        == []
    )


@given(registries(), subsets)
def test_the_registry_never_loses_what_its_own_pointers_name(registry, ids):
    left = rules.without_models(registry, ids)
    assert {left.deployed, left.desired, left.rollback_target, left.current_best} - {
        None
    } <= left.models.keys()
    assert set(registry.models) - set(left.models) <= ids


def entry(name, hours_old):
    return Entry(name, Path(name), NOW - timedelta(hours=hours_old), 1)


def test_logs_are_old_after_their_days_and_never_within_the_hour():
    entries = [entry("old", 24 * 31), entry("new", 24 * 29), entry("just", 0.5)]
    assert [one.name for one in rules.older_than(entries, NOW, timedelta(days=30))] == ["old"]
    assert [one.name for one in rules.older_than(entries, NOW, timedelta(0))] == ["old", "new"]


def test_the_newest_are_kept_and_the_protected_too():
    entries = [
        entry(name, hours) for name, hours in zip("abcdef", (0.5, 2, 3, 4, 5, 6), strict=True)
    ]
    chosen = rules.beyond_newest(entries, 2, NOW, protected={"e"})
    assert [one.name for one in chosen] == ["c", "d", "f"]
    assert rules.beyond_newest(entries[:1], 0, NOW) == []


def test_sizes_are_binary_megabytes():
    assert rules.megabytes(12 * 1024 * 1024 + 512 * 1024) == 12.5
