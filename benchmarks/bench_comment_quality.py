"""How well the quality of a comment tells spam from not spam, and one to three stars from five.

Needs the data sets vispamreviews and hasaki. Everything is fitted on one part and measured on
another: ViSpamReviews train -> dev; Hasaki four fifths of the distinct texts -> the other fifth,
five times.
"""

import argparse
import json
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
from sklearn.metrics import roc_auc_score

from viecomrec.domain.comment_text import clean
from viecomrec.domain.comment_trust import trust
from viecomrec.models.comment_quality import NgramScorer, fit_scorer

RESULTS = Path(__file__).parent / "results"
N_FOLDS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    report = measure(parser.parse_args().data)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "comment_quality.json").write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps(report, indent=2))


def measure(data: Path) -> dict[str, object]:
    return {
        "at_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": sys.version.split()[0],
        "machine": platform.machine(),
        "vispamreviews_dev": spam(data / "vispamreviews"),
        "hasaki_held_out_texts": stars(data / "hasaki"),
    }


def spam(folder: Path) -> dict[str, float]:
    train, dev = (
        _comments(folder / f"{part}.csv", "Comment", "Rating") for part in ("train", "dev")
    )
    scorer = _fitted(train)
    is_genuine = dev["Label"].cast(pl.Int64) == 0
    positive, trusted = scorer.score(dev["comment"].to_list()), _trust(dev)
    praised = (dev["rating"] >= 4).to_numpy()
    genuine = is_genuine.to_numpy()
    return {
        "n": dev.height,
        "auc_quality": _auc(genuine, positive * trusted),
        "auc_trust_alone": _auc(genuine, trusted * scorer.familiarity(dev["comment"].to_list())),
        "auc_positive_alone": _auc(genuine, positive),
        "auc_quality_of_praise": _auc(genuine[praised], (positive * trusted)[praised]),
        **{
            f"auc_quality_kind_{kind}": _auc(genuine[chosen], (positive * trusted)[chosen])
            for kind in (1, 2, 3)
            for chosen in [(dev["SpamLabel"].cast(pl.Int64).is_in([0, kind])).to_numpy()]
        },
    }


def stars(folder: Path) -> dict[str, object]:
    """The mean of five folds: one fold alone has about 130 texts of one to three stars."""
    reviews = _comments(folder / "reviews.csv.gz", "comment", "rating").unique(
        "comment", keep="first", maintain_order=True
    )
    fold = pl.Series(np.random.default_rng(0).integers(0, N_FOLDS, reviews.height))
    quality, positive = [], []
    for one in range(N_FOLDS):
        scorer = _fitted(reviews.filter(fold != one))
        test = reviews.filter((fold == one) & reviews["rating"].is_in([1, 2, 3, 5]))
        is_five = (test["rating"] == 5).to_numpy()
        alone = scorer.score(test["comment"].to_list())
        quality.append(_auc(is_five, alone * _trust(test)))
        positive.append(_auc(is_five, alone))
    return {
        "n": int(reviews["rating"].is_in([1, 2, 3, 5]).sum()),
        "auc_quality": round(float(np.mean(quality)), 4),
        "auc_quality_of_folds": quality,
        "auc_positive_alone": round(float(np.mean(positive)), 4),
    }


def _comments(path: Path, comment: str, rating: str) -> pl.DataFrame:
    table = pl.read_csv(path, infer_schema=False)
    return table.with_columns(
        clean(pl.col(comment)).alias("comment"), pl.col(rating).cast(pl.Int64).alias("rating")
    ).filter(pl.col("comment") != "")


def _fitted(reviews: pl.DataFrame) -> NgramScorer:
    liked = (reviews["rating"] >= 4).to_numpy()
    return NgramScorer(fit_scorer(reviews["comment"].to_list(), liked, 42), "bench")


def _trust(reviews: pl.DataFrame) -> np.ndarray:
    return trust(reviews["comment"]).to_numpy()


def _auc(truth: np.ndarray, score: np.ndarray) -> float:
    return round(float(roc_auc_score(truth, score)), 4)


if __name__ == "__main__":
    main()
