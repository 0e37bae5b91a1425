import threading
from datetime import UTC, datetime

import numpy as np
import pytest

from viecomrec.adapters.registry import ModelStore, RegistryStore
from viecomrec.domain.factors import Factors
from viecomrec.domain.identity import IdMap
from viecomrec.domain.registry import ModelRecord, Registry
from viecomrec.errors import ArtifactError, RegistryError

NOW = datetime(2025, 1, 30, 3, 0, tzinfo=UTC)
IDS = IdMap(("u1", "u2"), ("p1", "p2", "p3"))


def some_factors() -> Factors:
    rng = np.random.default_rng(0)
    return Factors(
        rng.standard_normal((2, 4)).astype(np.float32),
        rng.standard_normal((3, 4)).astype(np.float32),
        IDS,
    )


def save(store: ModelStore, model_id: str = "als_20250130_v1") -> ModelRecord:
    path = store.save(
        model_id, "als", some_factors(), params={"a": 1}, metrics={}, metadata={"b": 2}
    )
    return ModelRecord(
        model_id=model_id,
        model_type="als",
        path=path,
        created_at_utc=NOW.isoformat(),
        snapshot_version="0" * 16,
    )


def test_a_saved_model_comes_back_the_same_with_its_own_ids(tmp_path):
    store = ModelStore(tmp_path)
    loaded = store.load(save(store))
    np.testing.assert_array_equal(loaded.factors.user, some_factors().user)
    assert loaded.factors.ids == IDS
    assert (loaded.params, loaded.metadata) == ({"a": 1}, {"b": 2})


def test_one_flipped_bit_is_found(tmp_path):
    store = ModelStore(tmp_path)
    record = save(store)
    file = tmp_path / record.path / "V.npy"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(ArtifactError, match=r"V\.npy was altered"):
        store.load(record)


def test_a_missing_file_is_named(tmp_path):
    store = ModelStore(tmp_path)
    record = save(store)
    (tmp_path / record.path / "U.npy").unlink()
    with pytest.raises(ArtifactError, match=r"lacks U\.npy"):
        store.load(record)


def test_numbers_that_are_not_finite_are_never_saved(tmp_path):
    factors = some_factors()
    factors.item[0, 0] = np.nan
    with pytest.raises(ArtifactError, match="NaN"):
        ModelStore(tmp_path).save(
            "als_20250130_v1", "als", factors, params={}, metrics={}, metadata={}
        )
    assert not (tmp_path / "als" / "als_20250130_v1").exists()


@pytest.mark.parametrize("path", ["", ".", "als", "../outside", "/etc"])
def test_pitfall_22_an_entry_without_a_path_of_its_own_never_becomes_another_folder(tmp_path, path):
    store = ModelStore(tmp_path / "cf")
    record = save(store).model_copy(update={"path": path})
    with pytest.raises(ArtifactError, match="not allowed"):
        store.load(record)
    with pytest.raises(ArtifactError, match="not allowed"):
        store.delete(record)
    assert (tmp_path / "cf" / "als" / record.model_id / "U.npy").is_file()


def test_a_link_that_leads_out_of_the_tree_is_never_deleted(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    store = ModelStore(tmp_path / "cf")
    record = save(store)
    store.delete(record)
    (tmp_path / "cf" / record.path).symlink_to(outside, target_is_directory=True)
    with pytest.raises(ArtifactError, match="not allowed"):
        store.delete(record)
    assert outside.is_dir()


def test_the_id_of_a_run_that_died_before_registering_is_not_used_again(tmp_path):
    store = ModelStore(tmp_path)
    save(store, "als_20250130_v1")
    assert store.free_id("als", "20250130", Registry()) == "als_20250130_v2"


def test_an_absent_registry_is_empty_and_a_damaged_one_is_refused(tmp_path):
    file = tmp_path / "registry.json"
    store = RegistryStore(file, lambda: NOW)
    assert store.read() == Registry()
    for content in ("", "{", "[]", '{"schema_version": 1, "models": 3}'):
        file.write_text(content, encoding="utf-8")
        with pytest.raises(RegistryError, match="damaged"):
            store.read()


def test_a_registry_of_a_newer_program_is_refused(tmp_path):
    file = tmp_path / "registry.json"
    file.write_text('{"schema_version": 99}', encoding="utf-8")
    with pytest.raises(RegistryError, match="schema version 99"):
        RegistryStore(file, lambda: NOW).read()


def test_two_writers_never_lose_one_anothers_models(tmp_path):
    file = tmp_path / "registry.json"

    def register(start: int) -> None:
        store = RegistryStore(file, lambda: NOW)
        for number in range(start, start + 10):
            record = ModelRecord(
                model_id=f"als_20250130_v{number}",
                model_type="als",
                path=f"als/als_20250130_v{number}",
                created_at_utc=NOW.isoformat(),
                snapshot_version="0" * 16,
            )
            store.update(lambda registry, record=record: registry.with_model(record))

    threads = [threading.Thread(target=register, args=(start,)) for start in (1, 11)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(RegistryStore(file, lambda: NOW).read().models) == 20
