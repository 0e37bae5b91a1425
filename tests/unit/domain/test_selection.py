"""Who becomes the champion."""

import numpy as np
import pytest

from viecomrec.domain.selection import Contender, choose_champion, compare


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def contender(
    name: str, mean: float, *, worthy: bool = True, useful: bool = True, n: int = 400
) -> Contender:
    noise = np.random.default_rng(1).normal(0, 0.05, n)
    values = mean + noise - noise.mean()
    return Contender(name, f"recipe of {name}", values, worthy, useful)


def test_the_interval_of_a_difference_holds_it():
    one, other = contender("a", 0.30), contender("b", 0.25)
    found = compare(one.validation, other.validation, rng())
    assert found.difference == pytest.approx(0.05)
    assert found.low <= found.difference <= found.high


def test_metrics_of_other_users_are_never_compared():
    with pytest.raises(ValueError, match="same users"):
        compare(np.ones(4), np.ones(5), rng())


def test_without_a_champion_the_best_above_popularity_wins():
    field = [contender("a", 0.2), contender("b", 0.3), contender("c", 0.4, worthy=False)]
    best, reason = choose_champion(field, None, rng())
    assert best is field[1]
    assert "highest validation" in reason


def test_a_model_below_popularity_is_never_chosen():
    best, reason = choose_champion([contender("a", 0.9, worthy=False)], None, rng())
    assert best is None
    assert "popularity" in reason


def test_pitfall_08_a_lead_within_chance_does_not_take_the_throne():
    noise = np.random.default_rng(3).normal(0, 0.3, 60)
    luck = 0.301 + noise - noise.mean()
    champion = Contender("old", "recipe of old", np.full(60, 0.3), True, True)
    lucky = Contender("new", "recipe of new", luck, True, True)
    best, reason = choose_champion([champion, lucky], "recipe of old", rng())
    assert best is champion
    assert "within chance" in reason


def test_a_sure_lead_takes_the_throne():
    champion, better = contender("old", 0.30), contender("new", 0.35)
    best, reason = choose_champion([champion, better], champion.recipe_key, rng())
    assert best is better
    assert "better than the champion" in reason


def test_a_champion_that_fell_below_popularity_does_not_defend_itself():
    fallen, other = contender("old", 0.30, worthy=False), contender("new", 0.29)
    best, _ = choose_champion([fallen, other], fallen.recipe_key, rng())
    assert best is other


def test_a_blend_does_not_hide_useless_factors():
    hidden, honest = contender("hidden", 0.40, useful=False), contender("honest", 0.30)
    best, _ = choose_champion([hidden, honest], hidden.recipe_key, rng())
    assert best is honest
    alone, _ = choose_champion([hidden], None, rng())
    assert alone is hidden
