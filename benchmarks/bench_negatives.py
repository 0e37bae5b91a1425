"""How BPR's negatives are drawn, on shops that were refreshed and embedded.

    python benchmarks/bench_negatives.py PROJECT_DIR [PROJECT_DIR ...]

NDCG@10 on test users after early stopping on validation: the guide's configuration from content,
and a gentle descent from tuned ALS factors. Results: benchmarks/results/negatives.json.
"""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from viecomrec.bootstrap import Installation
from viecomrec.domain.recipes import AlsRecipe, guide_als_recipe, guide_bpr_recipe
from viecomrec.models.bpr_trainer import train_bpr
from viecomrec.models.evaluation import constant_scores
from viecomrec.models.popularity import popularity
from viecomrec.models.search import GENTLE_RATE, search_als
from viecomrec.models.trainer import TrainingData, train_als
from viecomrec.paths import ProjectPaths
from viecomrec.pipelines.model_training import load_data
from viecomrec.settings import TRAINING_CONFIG, Settings

RESULTS = Path(__file__).parent / "results" / "negatives.json"
KINDS = {
    "uniform": (0.0, 0.0),
    "popularity": (0.0, 1.0),
    "hard (the guide's)": (0.3, 0.0),
    "mixed": (0.3, 0.3),
}


def measured(data: TrainingData, scores) -> dict[str, float]:
    parts = {"validation": data.held_out.validation, "test": data.held_out.test}
    return {name: data.evaluate(scores, part, 2).summary["ndcg@10"] for name, part in parts.items()}


def study(project: Path) -> dict:
    shop = Installation(ProjectPaths(project.resolve()), Settings())
    data, _ = load_data(shop.snapshots.require_current(), shop.embeddings.current())
    als = guide_als_recipe(TRAINING_CONFIG["als"], 42, has_content=data.content is not None)
    tuned = search_als(data, als, threads=2)[0].recipe
    assert isinstance(tuned, AlsRecipe)
    guide = guide_bpr_recipe(
        TRAINING_CONFIG["bpr"],
        TRAINING_CONFIG["early_stopping"],
        42,
        has_content=data.content is not None,
        cold_threshold=tuned.cold_threshold,
    )
    found = {
        "popularity": measured(data, constant_scores(popularity(data.matrices.binary))),
        "als_tuned": measured(data, train_als(data, tuned, threads=2).scores),
    }
    for name, (hard, popular) in KINDS.items():
        for start, change in (
            ("content", {}),
            ("als", {"start": tuned, "learning_rate": GENTLE_RATE}),
        ):
            recipe = guide.model_copy(
                update={"neg_sample_ratio": hard, "popular_share": popular, **change}
            )
            found[f"{name}, from {start}"] = measured(data, train_bpr(data, recipe).scores)
    return found


def main() -> None:
    results = {Path(arg).name: study(Path(arg)) for arg in sys.argv[1:]}
    results["date"] = datetime.now(UTC).isoformat(timespec="seconds")
    RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
