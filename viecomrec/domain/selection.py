"""Which model is better: the same users, a paired bootstrap, and no luck on the throne."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]
N_RESAMPLES = 2000


@dataclass(frozen=True)
class Comparison:
    """Mean difference per user and its 95 % percentile interval."""

    difference: float
    low: float
    high: float

    @property
    def is_better(self) -> bool:
        return self.difference > 0

    @property
    def is_surely_better(self) -> bool:
        """More than resampling the users explains."""
        return self.low > 0

    def as_json(self) -> dict[str, Any]:
        return {"difference": self.difference, "low": self.low, "high": self.high}


def compare(challenger: Scores, champion: Scores, rng: np.random.Generator) -> Comparison:
    """Paired bootstrap over users (Efron 1979): both arrays hold one metric of the same users."""
    if len(challenger) != len(champion) or len(champion) == 0:
        raise ValueError(f"paired metrics need the same users: {len(challenger)}, {len(champion)}")
    difference = challenger - champion
    n = len(difference)
    means = np.array([difference[rng.integers(0, n, size=n)].mean() for _ in range(N_RESAMPLES)])
    low, high = np.percentile(means, [2.5, 97.5])
    return Comparison(float(difference.mean()), float(low), float(high))


def mean_interval(values: Scores, rng: np.random.Generator) -> tuple[float, float]:
    """The 95 % percentile interval of a mean over users."""
    found = compare(values, np.zeros_like(values), rng)
    return found.low, found.high


@dataclass(frozen=True)
class Contender:
    """A trained model as selection sees it: the validation metric of its users' lists.

    `above_popularity` speaks of the blended lists that users get, `is_useful_alone` of the
    factors without the blend.
    """

    model_id: str
    recipe_key: str
    validation: Scores
    above_popularity: bool
    is_useful_alone: bool

    @property
    def mean(self) -> float:
        return float(self.validation.mean())


def choose_champion(
    contenders: Sequence[Contender], champion_recipe: str | None, rng: np.random.Generator
) -> tuple[Contender | None, str]:
    """The model that should be `current_best`, and why; None where none deserves it.

    All contenders were fitted to the same training matrix and measured on the same validation
    users; one of them may be the champion's recipe, refitted. A challenger takes the throne from
    it only if it is surely better. Without a champion the highest mean wins, the first of equals.
    A model that is not above popularity is never chosen, and one whose factors alone are not
    above it only where no other has better ones: a blend must not hide useless factors.
    """
    worthy = [one for one in contenders if one.above_popularity]
    worthy = [one for one in worthy if one.is_useful_alone] or worthy
    if not worthy:
        return None, "no model is above the popularity baseline"
    best = max(worthy, key=lambda one: one.mean)
    champion = next((one for one in worthy if one.recipe_key == champion_recipe), None)
    if champion is None:
        return best, "highest validation NDCG@10 above popularity"
    if best is champion:
        return champion, "the champion's recipe is still the best, now on the current data"
    comparison = compare(best.validation, champion.validation, rng)
    if comparison.is_surely_better:
        return best, (
            f"better than the champion's recipe on the current data by {comparison.difference:.4f} "
            f"(95 % interval {comparison.low:.4f} to {comparison.high:.4f})"
        )
    return champion, (
        f"the best challenger's lead of {comparison.difference:.4f} is within chance "
        f"(95 % interval {comparison.low:.4f} to {comparison.high:.4f})"
    )
