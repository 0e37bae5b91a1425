import pytest
from hypothesis import given
from hypothesis import strategies as st

from viecomrec.domain.registry import ModelRecord, Registry, next_model_id
from viecomrec.errors import RegistryError


def a_record(model_id: str, *, above: bool | None = True) -> ModelRecord:
    return ModelRecord(
        model_id=model_id,
        model_type="als",
        path=f"als/{model_id}",
        created_at_utc="2025-01-30T00:00:00+00:00",
        snapshot_version="0" * 16,
        above_popularity=above,
    )


def a_registry(*model_ids: str) -> Registry:
    registry = Registry()
    for model_id in model_ids:
        registry = registry.with_model(a_record(model_id))
    return registry


def test_model_ids_count_up_within_the_day_and_start_again_the_next():
    taken = ["als_20250130_v1", "als_20250130_v10", "bpr_20250130_v30", "als_20250129_v99"]
    assert next_model_id("als", "20250130", taken) == "als_20250130_v11"
    assert next_model_id("als", "20250131", taken) == "als_20250131_v1"


def test_a_model_below_popularity_is_never_promoted():
    registry = Registry().with_model(a_record("als_20250130_v1", above=False))
    with pytest.raises(RegistryError, match="popularity"):
        registry.promote("als_20250130_v1")


def test_a_model_that_was_not_evaluated_is_never_promoted():
    registry = Registry().with_model(a_record("als_20250130_v1", above=None))
    with pytest.raises(RegistryError, match="popularity"):
        registry.promote("als_20250130_v1")


def test_an_unknown_model_is_named_together_with_the_known_ones():
    with pytest.raises(RegistryError, match=r"als_20250131_v1.*als_20250130_v1"):
        a_registry("als_20250130_v1").desire("als_20250131_v1")


def test_the_way_back_is_the_model_deployed_before_whatever_was_trained_between():
    registry = a_registry("als_20250101_v1", "als_20250102_v1", "als_20250103_v1")
    registry = registry.confirm("als_20250101_v1").confirm("als_20250103_v1")
    assert registry.deployed == "als_20250103_v1"
    assert registry.rollback_target == "als_20250101_v1"


def test_confirming_the_live_model_again_keeps_the_way_back():
    registry = a_registry("als_20250101_v1", "als_20250102_v1")
    registry = registry.confirm("als_20250101_v1").confirm("als_20250102_v1")
    assert registry.confirm("als_20250102_v1") == registry


@given(st.permutations(["als_20250101_v1", "als_20250102_v1", "als_20250103_v1"]))
def test_promote_then_roll_back_is_identity(order):
    registry = a_registry(*order).confirm(order[0]).confirm(order[1])
    there = registry.confirm(order[2])
    back = there.confirm(there.rollback_target)
    assert back.deployed == registry.deployed
    assert back.rollback_target == order[2]
