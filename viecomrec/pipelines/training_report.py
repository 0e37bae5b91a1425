"""What is said of a model: `metrics.json`, the figures of the registry, and the picture."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from viecomrec.domain import selection
from viecomrec.domain.comparison_chart import Bar, comparison_chart
from viecomrec.domain.selection import Comparison
from viecomrec.models.list_properties import by_activity, by_warmth, list_properties
from viecomrec.models.trainer import TrainingData
from viecomrec.pipelines.training_parts import Candidate, Measured

POPULARITY = "popularity"


@dataclass(frozen=True)
class Report:
    """One candidate beside the baselines; everything is empty where nothing was measured."""

    candidate: Candidate
    baselines: dict[str, Measured]
    data: TrainingData
    seed: int

    @cached_property
    def served(self) -> Comparison | None:
        """The lead over popularity of what users get: validation users, NDCG@10."""
        return self._lead(self.candidate.blended)

    @cached_property
    def alone(self) -> Comparison | None:
        """The same of the factors without the blend."""
        return self._lead(self.candidate.factors)

    def metrics(self) -> dict[str, Any]:
        """`validation` and `test` are the blended lists users get; `factors` are U and V alone."""
        measured, factors = self.candidate.blended, self.candidate.factors
        if measured is None or factors is None or self.served is None or self.alone is None:
            return {"evaluated": False}
        return {
            "evaluated": True,
            **self._parts(measured),
            "factors": self._parts(factors),
            "baselines": {name: self._parts(one) for name, one in self.baselines.items()},
            "n_users": {
                "validation": len(measured.validation.targets.users),
                "test": len(measured.test.targets.users),
            },
            "test_by_activity": by_activity(self.data, measured.test),
            "test_by_warmth": by_warmth(self.data, self.data.held_out.test, measured.test),
            "cold_items": self.candidate.cold_items,
            "global_time_cut": self.candidate.time_cut,
            "above_popularity": self.served.is_better,
            "factors_above_popularity": self.alone.is_better,
            "validation_ndcg@10_above_popularity": self.served.as_json(),
            "factors_validation_ndcg@10_above_popularity": self.alone.as_json(),
            "test_ndcg@10_above": {
                name: self._compared(measured, one, "test").as_json()
                for name, one in self.baselines.items()
            },
        }

    def headline(self) -> dict[str, Any]:
        """The few figures that the registry carries."""
        measured, popular = self.candidate.blended, self.baselines.get(POPULARITY)
        if measured is None or popular is None:
            return {}
        test, baseline = measured.test.summary, popular.test.summary
        return {
            "recall@10": test["recall@10"],
            "ndcg@10": test["ndcg@10"],
            "validation_ndcg@10": measured.validation.summary["ndcg@10"],
            "popularity_recall@10": baseline["recall@10"],
            "popularity_ndcg@10": baseline["ndcg@10"],
        }

    def pictures(self, model_id: str) -> dict[str, str]:
        """`comparison.svg`: the model beside the baselines on test users."""
        measured, factors = self.candidate.blended, self.candidate.factors
        if measured is None or factors is None:
            return {}
        ways = {**self.baselines, f"{model_id}, factors": factors, f"{model_id}, served": measured}
        bars = [self._bar(name, one) for name, one in ways.items()]
        n_users = len(measured.test.targets.users)
        return {"comparison.svg": comparison_chart(f"{model_id}: {n_users} test users", bars)}

    def _bar(self, name: str, measured: Measured) -> Bar:
        ndcg = measured.test.per_user("ndcg", 10)
        low, high = selection.mean_interval(ndcg, np.random.default_rng(self.seed))
        recall = float(measured.test.per_user("recall", 10).mean())
        return Bar(name.replace("_", " "), recall, float(ndcg.mean()), low, high)

    def _parts(self, measured: Measured) -> dict[str, Any]:
        return {
            name: {**part.summary, **list_properties(self.data, part)}
            for name, part in (("validation", measured.validation), ("test", measured.test))
        }

    def _lead(self, measured: Measured | None) -> Comparison | None:
        popular = self.baselines.get(POPULARITY)
        if measured is None or popular is None:
            return None
        return self._compared(measured, popular, "validation")

    def _compared(self, ours: Measured, other: Measured, part: str) -> Comparison:
        one, two = (getattr(each, part).per_user("ndcg", 10) for each in (ours, other))
        return selection.compare(one, two, np.random.default_rng(self.seed))
