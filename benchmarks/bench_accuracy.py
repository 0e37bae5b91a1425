"""Accuracy on published tables and on real shops: everything chosen on validation alone.

    python benchmarks/bench_accuracy.py [NAME ...]

NAME is one of `accuracy_tasks.TASKS`, the same with `:bpr` behind it for BPR alone, or hasaki; all
of them without one.

Reads the data sets at VIECOMREC_SHARED_DATA, or ../shared/data beside the checkout. Each fit is
recorded in benchmarks/results/accuracy_trials.json and never repeated, so a run that was ended
goes on where it stopped. Results: benchmarks/results/accuracy.json.
"""

import json
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from accuracy_tasks import REPOSITORY, TASKS, Task
from bench_shops import run_door, write_hasaki
from scipy.sparse import csr_array

from viecomrec.domain.matrices import TrainingMatrices
from viecomrec.domain.recipes import AlsRecipe, BprRecipe, guide_bpr_recipe
from viecomrec.models.als import user_factors
from viecomrec.models.baselines import ease, item_similarities
from viecomrec.models.blend import BlendedScorer
from viecomrec.models.blend_inputs import blend_inputs
from viecomrec.models.bpr_trainer import train_bpr
from viecomrec.models.co_purchase import CO_PURCHASES, CoPurchase
from viecomrec.models.evaluation import constant_scores
from viecomrec.models.popularity import popularity
from viecomrec.models.ranking import ScoreRows
from viecomrec.models.trainer import TrainedModel, TrainingData, train_als
from viecomrec.settings import TRAINING_CONFIG

RESULTS = REPOSITORY / "benchmarks" / "results"
TRIALS = RESULTS / "accuracy_trials.json"
THREADS = 2

Signals = tuple[ScoreRows, dict[str, ScoreRows]]
"""Scores of the factors, and of each other signal of a blend."""


# --- fits ----------------------------------------------------------------------------------
def flat(data: TrainingData, task: Task) -> TrainingData:
    """The confidences that the solver sees: ages are not confidences."""
    if not task.has_order:
        return data
    return TrainingData(
        TrainingMatrices(data.matrices.binary, data.matrices.binary), data.held_out, data.content
    )


def als_scores(task: Task, data: TrainingData, recipe: AlsRecipe, decay: float) -> ScoreRows:
    model = train_als(flat(data, task), recipe, threads=THREADS)
    user = model.user
    if decay < 1:
        recent = data.matrices.confidence.copy()
        recent.data = (decay ** (recent.data - 1)).astype(np.float32)
        user = user_factors(recent, model.item, recipe, THREADS)
    return lambda rows: user[rows] @ model.item.T


def events(data: TrainingData, kind: str) -> csr_array:
    """The pairs that an item-to-item model learns from, all of weight 1."""
    if kind == "liked":
        return data.matrices.binary
    return csr_array(data.matrices.confidence > 0, dtype=np.float32)


def knn_scores(task: Task, data: TrainingData, settings: dict) -> ScoreRows:
    decay, history = settings["decay"], events(data, settings.get("events", "liked"))
    similar = item_similarities(
        history, settings["shrink"], settings["exponent"], settings.get("activity", 0.0)
    )
    if task.has_order and decay < 1:
        history = data.matrices.confidence.copy()
        history.data = (decay ** (history.data - 1)).astype(np.float32)
    return lambda rows: np.asarray((history[rows] @ similar).todense(), dtype=np.float32)


def ease_scores(data: TrainingData, settings: dict) -> ScoreRows:
    return ease(events(data, settings.get("events", "liked")), settings["ridge"])


def together_scores(data: TrainingData, settings: dict) -> ScoreRows:
    """The project's own co-purchase, averaged over the history."""
    history = events(data, settings["events"])
    inputs = blend_inputs(history, None)
    params = {"blend": {"co_purchase": settings.get("co_purchase", {})}}
    together = inputs.together_of(CoPurchase.from_params(params))
    nothing = np.zeros((data.matrices.n_items, 1), np.float32)
    scorer = BlendedScorer.build(nothing, None, None, inputs.popularity, None, params, together)
    return lambda rows: scorer.batch_scores(None, csr_array(history[rows]), {"together": 1.0})


def guide_bpr() -> BprRecipe:
    stopping = TRAINING_CONFIG["early_stopping"]
    return guide_bpr_recipe(
        TRAINING_CONFIG["bpr"], stopping, seed=1, has_content=False, cold_threshold=0
    )


def bpr_model(task: Task, data: TrainingData, recipe: BprRecipe) -> TrainedModel:
    """Validation users stop it; where there are none, all epochs of the recipe run."""
    return train_bpr(flat(data, task), recipe, threads=THREADS)


def search_bpr(task: Task, record: "Record", start: AlsRecipe) -> tuple[dict[str, ScoreRows], dict]:
    """The guide's BPR, and the best of few descents from ALS factors of its width.

    For the report each runs as many epochs as were best on validation. Also what was chosen.
    """
    plain = guide_bpr()
    begin = start.model_copy(update={"factors": plain.factors})
    epochs: dict[str, int] = {}

    def recipe_of_bpr(settings: dict) -> BprRecipe:
        if settings["start"] == "guide":
            return plain
        return plain.model_copy(
            update={
                "name": "tuned",
                "start": begin,
                "learning_rate": settings["rate"],
                "neg_sample_ratio": settings["hard"],
                "min_delta": 0.0,
            }
        )

    def scores_of(data: TrainingData, settings: dict) -> ScoreRows:
        return bpr_model(task, data, recipe_of_bpr(settings)).scores

    def for_the_report(settings: dict) -> ScoreRows:
        recipe = recipe_of_bpr(settings)
        model = bpr_model(task, task.choose, recipe)
        epochs[settings["start"]] = int(np.argmax(model.epochs)) + 1
        if task.report is task.choose:
            return model.scores
        update = {"epochs": epochs[settings["start"]], "early_stopping": False}
        return bpr_model(task, task.report, recipe.model_copy(update=update)).scores

    of = json.dumps(begin.model_dump(mode="json"), sort_keys=True)
    grid = [
        {"way": "bpr", "start": "als", "of": of, "rate": rate, "hard": hard}
        for rate in (plain.learning_rate, 0.02)
        for hard in (plain.neg_sample_ratio, 0.0)
    ]
    best, _ = record.best(grid, scores_of)
    record.best([{"way": "bpr", "start": "guide"}], scores_of)
    models = {"bpr_guide": for_the_report({"start": "guide"}), "bpr": for_the_report(best)}
    return models, {**best, "epochs": epochs[best["start"]]}


def standardised(scores: ScoreRows) -> ScoreRows:
    def rows_of(rows):
        values = scores(rows).astype(np.float32)
        values -= values.mean(axis=1, keepdims=True)
        values /= np.maximum(values.std(axis=1, keepdims=True), 1e-9)
        return values

    return rows_of


def blend_scores(
    factors: ScoreRows, others: dict[str, ScoreRows], weights: dict[str, float]
) -> ScoreRows:
    """Factors of weight 1 and each other signal of its own, as z-scores."""
    one = standardised(factors)
    rest = [(np.float32(w), standardised(others[name])) for name, w in weights.items()]
    return lambda rows: sum((w * signal(rows) for w, signal in rest), start=one(rows))


def measured(
    task: Task, data: TrainingData, scores: ScoreRows, *, validation: bool
) -> dict[str, float]:
    part = data.held_out.validation if validation else data.held_out.test
    found = data.evaluate(scores, part, THREADS).summary
    return {"recall": found[f"recall@{task.k}"], "ndcg": found[f"ndcg@{task.k}"]}


# --- the search ----------------------------------------------------------------------------
class Record:
    """What was tried, by task and settings; a trial on record is not run again."""

    def __init__(self, task: Task) -> None:
        self._all = json.loads(TRIALS.read_text()) if TRIALS.exists() else {}
        self.trials = self._all.setdefault(task.name, {})
        self._task = task

    def best(self, grid: list[dict], scores_of) -> tuple[dict, dict]:
        """The settings of `grid` that are best on validation, and their figures."""
        found = []
        for settings in grid:
            key = json.dumps(settings, sort_keys=True)
            if key not in self.trials:
                start = time.process_time()
                figures = measured(
                    self._task,
                    self._task.choose,
                    scores_of(self._task.choose, settings),
                    validation=True,
                )
                self.trials[key] = {**figures, "cpu_seconds": round(time.process_time() - start, 1)}
                TRIALS.write_text(json.dumps(self._all, indent=1))
                print(self._task.name, key, self.trials[key], flush=True)
            found.append((settings, self.trials[key]))
        return max(found, key=lambda one: one[1][self._task.choose_by])


def recipe_of(settings: dict) -> AlsRecipe:
    keys = (
        "factors",
        "regularization",
        "unobserved_weight",
        "content_scale",
        "iterations",
        "alpha",
        "regularization_exponent",
    )
    return AlsRecipe(name="tuned", **{key: settings[key] for key in keys}, seed=1)


BASE = {
    "iterations": 15,
    "regularization_exponent": 1.0,
    "content_scale": 0.0,
    "decay": 1.0,
    "way": "als",
}
SEARCH = {
    "tiki": {
        "factors": [64],
        "alpha": 0.2,
        "iterations": 40,
        "strengths": [
            (0.003, 0.1, 1.0),
            (0.002, 0.12, 1.0),
            (0.002, 0.16, 0.9),
            (0.002, 0.2, 0.8),
            (0.001, 0.2, 0.9),
        ],
    },
    "beauty": {
        "factors": [256],
        "alpha": 1.0,
        "strengths": [(0.003, 0.1), (0.01, 0.03), (0.001, 0.1), (0.003, 0.05), (0.01, 0.05)],
    },
    "ml1m": {
        "factors": [128],
        "alpha": 1.0,
        "strengths": [
            (0.1, 0.01),
            (0.1, 0.003),
            (0.03, 0.01),
            (0.1, 0.03),
            (0.3, 0.003),
            (0.2, 0.008),
            (0.1, 0.015),
        ],
        "blend_with": ["ease"],
    },
    "gowalla": {
        "factors": [2048],
        "alpha": 1.0,
        "iterations": 10,
        "strengths": [(0.02, 0.003)],
    },
}


def plan_of(task: Task) -> dict:
    return SEARCH[task.name.split("_")[0]]


def search_als(task: Task, record: Record) -> dict:
    """Strengths first, then the content scale, and the age decay of fold-in."""
    plan = plan_of(task)

    def scores_of(data: TrainingData, settings: dict) -> ScoreRows:
        return als_scores(task, data, recipe_of(settings), settings["decay"])

    grid = [
        {
            **BASE,
            "factors": factors,
            "alpha": plan["alpha"],
            "iterations": plan.get("iterations", BASE["iterations"]),
            "unobserved_weight": strength[0],
            "regularization": strength[1],
            "regularization_exponent": strength[2] if len(strength) > 2 else 1.0,
        }
        for factors in plan["factors"]
        for strength in plan["strengths"]
    ]
    best, _ = record.best(grid, scores_of)
    if task.choose.content is not None:
        best, _ = record.best(
            [best, *({**best, "content_scale": s} for s in (0.1, 0.3))], scores_of
        )
    if task.has_order:
        best, _ = record.best([best, *({**best, "decay": d} for d in (0.8, 0.6))], scores_of)
    return best


def search_neighbours(task: Task, record: Record) -> dict[str, dict]:
    """The best item-kNN; EASE and the smoothed co-purchase where they fit into memory."""
    kinds = [{} if one == "liked" else {"events": one} for one in task.kinds_of_events]
    grid = [
        {"way": "knn", "shrink": s, "exponent": e, "decay": d, **kind}
        for kind in kinds
        for s in (1.0, 5.0, 20.0)
        for e in (0.0, 0.3)
        for d in ((0.8, 0.6, 0.4) if task.has_order else (1.0,))
    ]

    def knn(data: TrainingData, settings: dict) -> ScoreRows:
        return knn_scores(task, data, settings)

    best, _ = record.best(grid, knn)
    grid = [
        {**best, "shrink": s, "exponent": e, "activity": a}
        for s in (1.0, 20.0)
        for e in (0.0, 0.2, 0.3)
        for a in (0.5, 0.7, 1.0)
    ]
    found = {"item_knn": record.best([best, *grid], knn)[0]}
    if task.report.matrices.n_items < 6000:
        ridges = (50.0, 200.0, 800.0, 1600.0)
        grid = [{"way": "ease", "ridge": r, **kind} for kind in kinds for r in ridges]
        found["ease"] = record.best(grid, ease_scores)[0]
        counted = [{}, *({"co_purchase": asdict(how)} for how in CO_PURCHASES[1:])]
        grid = [
            {"way": "together", "events": kind, **how}
            for kind in task.kinds_of_events
            for how in counted
        ]
        found["together"] = record.best(grid, together_scores)[0]
    return found


BLEND_WEIGHTS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0)


def search_blend(
    names: list[str],
    factors: dict,
    neighbours: dict[str, dict],
    record: Record,
    signals: Callable[[TrainingData], Signals],
) -> dict:
    """One other signal beside the factors, then a second one beside both if it helps."""

    def scores_of(data: TrainingData, settings: dict) -> ScoreRows:
        own, others = signals(data)
        return blend_scores(own, others, settings["weights"])

    def trial(weights: dict[str, float]) -> dict:
        return {
            "way": "blend",
            "weights": weights,
            "with": {name: neighbours[name] for name in weights},
            "of": json.dumps(factors, sort_keys=True),
        }

    best, _ = record.best([trial({n: w}) for n in names for w in BLEND_WEIGHTS], scores_of)
    first = best["weights"]
    more = [
        trial({**first, n: w}) for n in names if n not in first for w in BLEND_WEIGHTS if w < 1.0
    ]
    return record.best([best, *more], scores_of)[0]


def run(name: str) -> dict:
    task = TASKS[name]()
    record = Record(task)
    best = search_als(task, record)
    neighbours = search_neighbours(task, record)
    made: dict[int, Signals] = {}

    def signals(data: TrainingData) -> Signals:
        if id(data) not in made:
            others = {"item_knn": knn_scores(task, data, neighbours["item_knn"])}
            if "ease" in neighbours:
                others["ease"] = ease_scores(data, neighbours["ease"])
                others["together"] = together_scores(data, neighbours["together"])
            made[id(data)] = als_scores(task, data, recipe_of(best), best["decay"]), others
        return made[id(data)]

    names = plan_of(task).get("blend_with", list(neighbours))
    blend = search_blend(names, best, neighbours, record, signals)
    own, others = signals(task.report)
    report = {
        "popularity": constant_scores(popularity(task.report.matrices.binary)),
        **{name: others[name] for name in neighbours},
        "als_guide": als_scores(task, task.report, guide(), 1.0),
        "factors": own,
        "blend": blend_scores(own, others, blend["weights"]),
    }
    figures = {
        way: measured(task, task.report, scores, validation=False) for way, scores in report.items()
    }
    return {
        "k": task.k,
        "chosen": {"als": best, **neighbours, "blend": blend},
        "test": figures,
        "above_als_guide": {
            way: {m: figures[way][m] / figures["als_guide"][m] - 1 for m in ("recall", "ndcg")}
            for way in ("factors", "blend")
        },
        "trials": len(record.trials),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def run_bpr(name: str, found: dict) -> dict:
    """Beside what `run` found: the guide's BPR, and the one that validation chose."""
    task = TASKS[name]()
    record = Record(task)
    models, chosen = search_bpr(task, record, recipe_of(search_als(task, record)))
    figures = {
        way: measured(task, task.report, scores, validation=False) for way, scores in models.items()
    }
    return {
        **found,
        "chosen": {**found.get("chosen", {}), "bpr": chosen},
        "test": {**found.get("test", {}), **figures},
    }


def run_hasaki() -> dict:
    """The project's own pipeline on whole events, with texts; two protocols side by side."""
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "shop"
        project.mkdir()
        write_hasaki(project)
        for door in ("data_refresh", "bert_embeddings", "model_training"):
            run_door(
                door, *(["--model", "als"] if door == "model_training" else []), project=project
            )
        stored = [
            {
                name: json.loads((model / f"{name}.json").read_text())
                for name in ("params", "metrics")
            }
            for model in (project / "artifacts" / "cf" / "als").iterdir()
        ]
    by_recipe = {one["params"]["recipe"]["name"]: one["metrics"] for one in stored}
    tuned, plain = by_recipe["tuned"], by_recipe["guide"]
    ways = {
        **tuned["baselines"],
        "als_guide": plain["factors"],
        "factors": tuned["factors"],
        "blend": tuned,
    }
    return {
        "k": 10,
        "test_users": tuned["n_users"]["test"],
        "test": {
            way: {m: found["test"][f"{m}@10"] for m in ("recall", "ndcg")}
            for way, found in ways.items()
        },
        "blend_above": tuned["test_ndcg@10_above"],
        "cold_items": tuned["cold_items"],
        "global_time_cut": tuned["global_time_cut"],
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def guide() -> AlsRecipe:
    return AlsRecipe(name="guide", factors=64, regularization=0.1, iterations=15, alpha=5.0, seed=1)


def main() -> None:
    file = RESULTS / "accuracy.json"
    RESULTS.mkdir(parents=True, exist_ok=True)
    every = [*TASKS, *(f"{name}:bpr" for name in TASKS), "hasaki"]
    for given in sys.argv[1:] or every:
        name, _, part = given.partition(":")
        results = json.loads(file.read_text()) if file.exists() else {}
        if part == "bpr":
            found = run_bpr(name, results.get(name, {}))
        else:
            found = run_hasaki() if name == "hasaki" else run(name)
            results = json.loads(file.read_text()) if file.exists() else {}
        results[name] = found
        results["machine"] = {
            "processor": platform.machine(),
            "numpy": np.__version__,
            "python": platform.python_version(),
        }
        file.write_text(json.dumps(results, indent=2) + "\n")
        print(name, json.dumps(found, indent=2), flush=True)


if __name__ == "__main__":
    main()
