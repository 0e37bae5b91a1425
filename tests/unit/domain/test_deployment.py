from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viecomrec.domain import deployment as rules
from viecomrec.domain.deployment import Asked, DeploymentRecord, DeploymentState, LiveModel
from viecomrec.domain.registry import ModelRecord, Registry
from viecomrec.errors import RegistryError

START = datetime(2025, 1, 30, 5, tzinfo=UTC)
A, B, C = "als_20250101_v1", "als_20250102_v1", "als_20250103_v1"


def registry(**fields):
    models = {
        model_id: ModelRecord(
            model_id=model_id,
            model_type="als",
            path=f"als/{model_id}",
            created_at_utc=START.isoformat(),
            snapshot_version="s",
            above_popularity=True,
        )
        for model_id in (A, B, C)
    }
    return Registry(models=models, **fields)


def record(state, model_id, *, hour=0, live=None, asked=Asked.BEST, passed_over=None, reason=None):
    at = START + timedelta(hours=hour)
    return DeploymentRecord(
        deployment_id="d",
        timestamp=at.replace(tzinfo=None).isoformat(),
        timestamp_utc=at,
        state=state,
        model_id=model_id,
        previous_model_id=None,
        live_model_id=live,
        asked=asked,
        passed_over=passed_over,
        reason=reason,
    )


def choose(listed, model_id=None, *, rollback=False, history=()):
    return rules.choose_target(listed, model_id, rollback=rollback, history=history)


def test_by_default_the_chosen_model_is_deployed():
    assert choose(registry(current_best=B)).model_id == B


def test_a_name_wins_and_an_unknown_name_is_refused():
    assert choose(registry(current_best=B), A).model_id == A
    with pytest.raises(RegistryError, match=r"als_19990101_v1.*known: als_20250101_v1"):
        choose(registry(current_best=B), "als_19990101_v1")


def test_without_a_model_there_is_nothing_to_do_and_a_word_why():
    choice = choose(registry())
    assert choice.model_id is None
    assert "model_training" in choice.note


@pytest.mark.parametrize("above", [False, None])
def test_a_hand_edited_best_below_popularity_is_never_deployed_by_itself(above):
    listed = registry(current_best=B)
    weak = listed.models[B].model_copy(update={"above_popularity": above})
    listed = listed.model_copy(update={"models": {**listed.models, B: weak}})
    with pytest.raises(RegistryError, match="not above the popularity"):
        choose(listed)
    assert choose(listed, B).model_id == B


def test_rollback_goes_to_what_was_deployed_before_whatever_was_trained_in_between():
    listed = registry(current_best=C).confirm(A).confirm(B)
    assert choose(listed, rollback=True).model_id == A


def test_rollback_twice_returns_to_the_first():
    listed = registry().confirm(A).confirm(B)
    once = listed.confirm(choose(listed, rollback=True).model_id)
    twice = once.confirm(choose(once, rollback=True).model_id)
    assert (once.deployed, twice.deployed) == (A, B)


def test_rollback_without_an_earlier_deployment_says_so():
    with pytest.raises(RegistryError, match="no earlier deployment"):
        choose(registry().confirm(A), rollback=True)


def test_a_model_that_was_taken_back_is_not_deployed_again_by_itself():
    history = [record(DeploymentState.ROLLED_BACK, B, live=A, reason="an empty list")]
    choice = choose(registry(current_best=B, deployed=A), history=history)
    assert choice.model_id == A
    assert "an empty list" in choice.note
    assert f"--model-id {B}" in choice.note


def test_the_next_scheduled_run_does_not_undo_a_rollback_by_hand():
    history = [record(DeploymentState.DEPLOYED, A, live=A, asked=Asked.ROLLBACK, passed_over=B)]
    assert choose(registry(current_best=B, deployed=A), history=history).model_id == A


def test_a_newer_best_ends_the_effect_of_a_rollback_by_hand():
    history = [record(DeploymentState.DEPLOYED, A, live=A, asked=Asked.ROLLBACK, passed_over=B)]
    assert choose(registry(current_best=C, deployed=A), history=history).model_id == C


def test_deploying_by_name_lifts_the_block():
    history = [
        record(DeploymentState.ROLLED_BACK, B, live=A, reason="slow"),
        record(DeploymentState.DEPLOYED, B, live=B, asked=Asked.BY_NAME),
    ]
    assert choose(registry(current_best=B), history=history).note is None


def test_what_a_person_left_pending_comes_before_the_best():
    history = [record(DeploymentState.PENDING, A, asked=Asked.ROLLBACK)]
    choice = choose(registry(current_best=B, desired=A), history=history)
    assert (choice.model_id, choice.asked) == (A, Asked.ROLLBACK)


def test_a_pending_default_does_not_outlive_a_newer_best():
    history = [record(DeploymentState.PENDING, A, asked=Asked.BEST)]
    assert choose(registry(current_best=B, desired=A), history=history).model_id == B


def test_choosing_by_hand_sets_the_other_model_aside():
    listed = registry(current_best=C).confirm(A).confirm(B)
    assert rules.passed_over(listed, choose(listed, A)) == C
    assert rules.passed_over(listed, choose(listed, rollback=True)) == B
    assert rules.passed_over(listed, choose(listed)) is None
    assert rules.passed_over(listed, choose(listed, C)) is None


def test_the_way_back_is_what_was_live_and_registered():
    listed = registry().confirm(A).confirm(B)
    assert rules.way_back(listed, B, C) == B
    assert rules.way_back(listed, "somebody_elses", C) == B
    assert rules.way_back(listed, C, C) == B
    assert rules.way_back(registry(), None, C) is None


def test_settled_means_live_confirmed_and_wanted():
    live = LiveModel(model_id=A, installation_id="x", status="ok")
    assert rules.is_settled(registry().confirm(A), live, A)
    assert not rules.is_settled(registry().confirm(A).desire(B), live, A)
    assert not rules.is_settled(registry(desired=A), live, A)


def test_states_follow_one_another_as_they_may():
    rules.require_transition(None, DeploymentState.VERIFYING)
    rules.require_transition(DeploymentState.VERIFYING, DeploymentState.ROLLED_BACK)
    for wrong in (None, DeploymentState.PENDING, DeploymentState.FAILED):
        with pytest.raises(ValueError, match="never goes"):
            rules.require_transition(wrong, DeploymentState.DEPLOYED)


@given(st.lists(st.tuples(st.integers(0, 50), st.sampled_from([A, B, None])), max_size=20))
def test_live_at_agrees_with_replaying_the_journal(steps):
    history = [
        record(DeploymentState.DEPLOYED, A, hour=hour, live=live)
        for hour, live in sorted(steps, key=lambda step: step[0])
    ]
    for hour in (0, 10, 25, 49, 60):
        before = [
            one
            for one in history
            if one.live_model_id and one.timestamp_utc <= START + timedelta(hours=hour)
        ]
        expected = before[-1].live_model_id if before else None
        found = rules.live_at(history, START + timedelta(hours=hour))
        assert (found.live_model_id if found else None) == expected


# --- golden requests ---------------------------------------------------------------------
PRODUCTS = frozenset({"p0", "p1"})


def golden(is_known=True, **changes):
    good = {
        "model_id": A,
        "is_fallback": False,
        "items": [{"product_id": "p0", "score": 1.0}, {"product_id": "p1", "score": 0.5}],
    }
    return rules.golden_problem({**good, **changes}, A, PRODUCTS, is_known=is_known)


def test_a_good_answer_has_no_problem():
    assert golden() is None
    assert golden(is_known=False, is_fallback=True) is None


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"model_id": B}, "answered by model"),
        ({"items": []}, "empty"),
        ({"items": None}, "empty"),
        ({"items": ["p0"]}, "unknown form"),
        ({"items": [{"product_id": "p0", "score": 1}] * 2}, "twice"),
        ({"items": [{"product_id": "px", "score": 1}]}, "does not know"),
        ({"items": [{"product_id": "p0", "score": float("nan")}]}, "finite"),
        ({"items": [{"product_id": "p0"}]}, "finite"),
        ({"is_fallback": True, "fallback_reason": "no model"}, "fallback for a known user"),
        ({"is_fallback": None}, "fallback for a known user"),
    ],
)
def test_pitfall_11_what_is_wrong_with_an_answer_is_named(changes, problem):
    assert problem in golden(**changes)


def test_golden_users_are_the_ends_and_the_middle():
    assert rules.golden_users(["a", "b", "c", "d", "e"]) == ("a", "c", "e")
    assert rules.golden_users(["a"]) == ("a",)
    assert rules.golden_users([]) == ()
