"""Which vectors of product texts predict the next choice best: encoders, poolings, treatments.

Needs a project with a snapshot (PROJECT_DIR). PhoBERT is compared where its weights are; nothing
is downloaded. Score of a product: mean cosine to the user's products, alone and with popularity
(sum of z-scores, log counts); seen products are left out. Recall@10 over validation users, with
its standard error. Validation only: options are chosen on these users.
"""

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from viecomrec.adapters.snapshots import Snapshot
from viecomrec.bootstrap import open_installation
from viecomrec.domain.language_models import PHOBERT
from viecomrec.domain.product_text import product_text
from viecomrec.errors import ArtifactError
from viecomrec.models.text_encoders import TfidfEncoder, normalised, postprocessed

RESULTS = Path(__file__).parent / "results"
TREATMENTS = ("none", "centre", "whiten")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", default="embedding_options")
    arguments = parser.parse_args()
    installation = open_installation()
    snapshot = installation.snapshots.require_current()
    texts = [
        product_text(*row)
        for row in snapshot.products().select("name", "description", "feature").rows()
    ]
    report = {
        "at_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": sys.version.split()[0],
        "n_products": len(texts),
        "n_users": snapshot.held_out().validation.n_users,
        "recall_at_10": compare(installation, snapshot, texts),
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{arguments.name}.json").write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps(report, indent=2))


def compare(installation, snapshot: Snapshot, texts: list[str]) -> dict:
    popularity = np.log1p(np.asarray(snapshot.matrices().binary.sum(axis=0)).ravel())[None, :]
    users, targets, seen = held_out_users(snapshot)
    alone = recall(np.repeat(popularity, len(users), axis=0), targets, seen)
    rows = {"popularity": {"alone": alone}}
    for name, vectors in encoded(installation, texts):
        variants = {f"{name}, {how}": postprocessed(vectors, how) for how in TREATMENTS} | {
            f"{name}, rows shuffled (control)": np.random.default_rng(0).permutation(vectors)
        }
        for variant, shaped in variants.items():
            unit = normalised(shaped)
            content = z_scores((seen @ unit) @ unit.T)
            rows[variant] = {
                "alone": recall(content, targets, seen),
                "with popularity": recall(content + z_scores(popularity), targets, seen),
            }
    return rows


def encoded(installation, texts: list[str]):
    yield "tfidf-char-word-svd", TfidfEncoder(768).encode(texts, lambda _: None)
    try:
        located = installation.language_models.locate(
            PHOBERT, installation.settings.embeddings.revision
        )
    except ArtifactError as error:
        print(f"without PhoBERT: {error}", file=sys.stderr)
        return
    from viecomrec.models.phobert import PhobertEncoder

    for pooling in ("cls", "mean"):
        encoder = PhobertEncoder(
            located.folder,
            model_id=PHOBERT.model_id,
            revision=located.revision,
            dimensions=768,
            pooling=pooling,
        )
        yield f"phobert {pooling}", encoder.encode(texts, lambda _: None)


def held_out_users(snapshot: Snapshot) -> tuple[NDArray, csr_array, csr_array]:
    """Validation users, their held-out products and their training products, as sparse rows."""
    held_out = snapshot.held_out().validation
    users, rows = np.unique(held_out.user_index, return_inverse=True)
    seen = csr_array(snapshot.matrices().confidence[users] > 0, dtype=np.float32)
    targets = csr_array((np.ones(len(rows)), (rows, held_out.item_index)), shape=seen.shape)
    return users, targets, seen


def z_scores(scores: NDArray) -> NDArray:
    """Each row with mean 0 and standard deviation 1."""
    return (scores - scores.mean(axis=1, keepdims=True)) / scores.std(axis=1, keepdims=True)


def recall(scores: NDArray, targets: csr_array, seen: csr_array) -> dict:
    """Mean over users of the share of held-out products among the ten best, and its error."""
    scores = scores.copy()
    scores[seen.nonzero()] = -np.inf
    best = np.argpartition(-scores, 10, axis=1)[:, :10]
    hits = np.array([targets[[row], :][:, best[row]].sum() for row in range(len(best))])
    shares = hits / np.asarray(targets.sum(axis=1)).ravel()
    return {
        "mean": round(float(shares.mean()), 4),
        "standard_error": round(float(shares.std() / np.sqrt(len(shares))), 4),
    }


if __name__ == "__main__":
    main()
