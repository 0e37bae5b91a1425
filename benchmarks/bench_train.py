"""Training and ranking against `implicit` 0.7.3: CPU time, alternated runs, medians, equal losses.

    python benchmarks/bench_train.py [als] [bpr] [top] [large]

Without a name everything runs; `large` (20 million interactions) takes some minutes and 3 GB.
Ratios compare one run of each on the same machine with the same threads. Results go to
benchmarks/results/train.json.
"""

import gc
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import implicit
import numba
import numpy as np
import scipy
from implicit.als import AlternatingLeastSquares
from implicit.bpr import BayesianPersonalizedRanking
from scipy.sparse import csr_array, csr_matrix

from viecomrec.domain.matrices import HeldOut, TrainingMatrices
from viecomrec.domain.recipes import AlsRecipe
from viecomrec.models.als import Progress, als_loss, fit_als, random_items, user_factors
from viecomrec.models.bpr import BprPairs, BprState, Negatives, run_epoch
from viecomrec.models.evaluation import evaluate, factor_scores
from viecomrec.models.ranking import top_items
from viecomrec.models.threads import single_threaded_blas

RESULTS = Path(__file__).parent / "results" / "train.json"
THREADS = 2
GUIDE = AlsRecipe(name="guide", factors=64, regularization=0.1, iterations=15, alpha=5.0)
FACTORS = 64


def cpu_seconds(work: Callable[[], object]) -> float:
    gc.collect()
    start = time.process_time()
    work()
    return time.process_time() - start


def alternated(works: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median CPU seconds of each, one after the other in every round."""
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(repeats):
        for name, work in works.items():
            seconds[name].append(cpu_seconds(work))
    return {name: statistics.median(values) for name, values in seconds.items()}


def seed_scale(rng: np.random.Generator) -> tuple[TrainingMatrices, HeldOut]:
    """26,000 users x 2,200 items in the proportions of ViEcomRec, with taste groups to learn."""
    n_users, n_items, n_groups = 26_000, 2_200, 40
    degrees = np.where(rng.random(n_users) < 0.86, 2, 2 + rng.geometric(0.45, n_users)) + 1
    popularity = 1 / np.arange(1, n_items + 1) ** 0.8
    group_of_item = rng.integers(0, n_groups, n_items)
    members = [np.flatnonzero(group_of_item == group) for group in range(n_groups)]
    taste = rng.integers(0, n_groups, n_users)
    rows, columns = [], []
    for user in range(n_users):
        own = members[taste[user]]
        own_share = popularity[own] / popularity[own].sum()
        count = min(int(degrees[user]), len(own))
        rows.append(np.full(count, user))
        columns.append(rng.choice(own, count, replace=False, p=own_share))
    user, item = np.concatenate(rows), np.concatenate(columns)
    last = np.append(np.flatnonzero(np.diff(user)), len(user) - 1)
    kept = np.ones(len(user), dtype=bool)
    kept[last] = False
    values = rng.uniform(5, 6, len(user)).astype(np.float32)
    shape = (n_users, n_items)
    confidence = csr_array((values[kept], (user[kept], item[kept])), shape=shape)
    held_out = HeldOut(
        user[last].astype(np.int32), item[last].astype(np.int32), np.zeros(len(last), bool)
    )
    return TrainingMatrices(confidence, csr_array(confidence > 0, dtype=np.float32)), held_out


def implicit_als(confidence: csr_array, iterations: int, *, cg: bool) -> AlternatingLeastSquares:
    weights = csr_matrix(confidence, copy=True)
    weights.data = (1 + GUIDE.alpha * weights.data).astype(np.float32)
    model = AlternatingLeastSquares(
        factors=FACTORS,
        regularization=GUIDE.regularization,
        iterations=iterations,
        use_cg=cg,
        num_threads=THREADS,
        random_state=1,
    )
    with single_threaded_blas():  # as implicit itself recommends
        model.fit(weights, show_progress=False)
    return model


def our_als(confidence: csr_array, iterations: int) -> tuple[np.ndarray, np.ndarray]:
    recipe = GUIDE.model_copy(update={"iterations": iterations})
    start = random_items(confidence.shape[1], FACTORS, np.random.default_rng(1))
    item = fit_als(confidence, recipe, start=Progress(0, start), threads=THREADS)
    return user_factors(confidence, item, recipe, THREADS), item


def machine_gflops() -> float:
    """Single-precision GEMM on one core, the limit of dense arithmetic here."""
    a = np.random.default_rng(0).random((1024, 1024), dtype=np.float32)
    with single_threaded_blas():
        seconds = min(cpu_seconds(lambda: a @ a) for _ in range(10))
    return 2 * 1024**3 / seconds / 1e9


def bench_als() -> dict:
    matrices, _ = seed_scale(np.random.default_rng(0))
    confidence = matrices.confidence
    ours = our_als(confidence, 15)
    conjugate, cholesky = (implicit_als(confidence, 15, cg=cg) for cg in (True, False))
    losses = {
        "viecomrec": als_loss(confidence, *ours, GUIDE),
        "implicit_cg": als_loss(confidence, conjugate.user_factors, conjugate.item_factors, GUIDE),
        "implicit_cholesky": als_loss(
            confidence, cholesky.user_factors, cholesky.item_factors, GUIDE
        ),
    }
    cpu = alternated(
        {
            "viecomrec": lambda: our_als(confidence, 15),
            "implicit_cg": lambda: implicit_als(confidence, 15, cg=True),
            "implicit_cholesky": lambda: implicit_als(confidence, 15, cg=False),
        },
        repeats=3,
    )
    return {
        "shape": [*confidence.shape, int(confidence.nnz)],
        "cpu_seconds": cpu,
        "loss": losses,
        "times_less_cpu_than_implicit_cg": cpu["implicit_cg"] / cpu["viecomrec"],
        "times_less_cpu_than_implicit_cholesky": cpu["implicit_cholesky"] / cpu["viecomrec"],
        "seconds_at_gemm_speed": dense_seconds(confidence, 15),
    }


def dense_seconds(confidence: csr_array, iterations: int) -> float:
    """What the arithmetic of exact row solves would take at the speed of GEMM.

    Per row the cheaper of n^2 k + n^3/3 (Woodbury) and n k^2 + k^3/3, both halved by symmetry.
    """
    flops = 0.0
    k = FACTORS
    for indptr in (confidence.indptr, confidence.T.tocsr().indptr):
        n = np.diff(indptr).astype(np.float64)
        flops += np.minimum(n**2 * k + n**3 / 3 + 2 * n * k, n * k**2 + k**3 / 3).sum()
        flops += 2 * len(n) * k**2 * 2  # the Gram matrix and the rotation
    return flops * iterations / machine_gflops() / 1e9


def bench_large() -> dict:
    """20 million interactions, 138,000 users x 27,000 items; one iteration of each."""
    rng = np.random.default_rng(0)
    n_users, n_items, n = 138_000, 27_000, 20_000_000
    activity, popularity = rng.lognormal(0, 1.1, n_users), rng.lognormal(0, 2.0, n_items)
    users = rng.choice(n_users, int(n * 1.35), p=activity / activity.sum())
    items = rng.choice(n_items, int(n * 1.35), p=popularity / popularity.sum())
    pairs = np.unique(users * np.int64(n_items) + items)
    pairs = np.sort(rng.choice(pairs, min(n, len(pairs)), replace=False))
    values = rng.uniform(1, 6, len(pairs)).astype(np.float32)
    shape = (n_users, n_items)
    confidence = csr_array((values, (pairs // n_items, pairs % n_items)), shape=shape)
    ours, theirs = {}, {}

    def run_ours() -> None:
        start = random_items(n_items, FACTORS, np.random.default_rng(1))
        recipe = GUIDE.model_copy(update={"iterations": 1})
        item = fit_als(confidence, recipe, start=Progress(0, start), threads=THREADS)
        ours["item"] = item

    def run_theirs() -> None:
        theirs["model"] = implicit_als(confidence, 1, cg=False)

    cpu = {"viecomrec": cpu_seconds(run_ours), "implicit_cholesky": cpu_seconds(run_theirs)}
    user = user_factors(confidence, ours["item"], GUIDE, THREADS)
    their_item = np.ascontiguousarray(theirs["model"].item_factors)
    their_user = user_factors(confidence, their_item, GUIDE, THREADS)
    return {
        "shape": [*shape, int(confidence.nnz)],
        "iterations": 1,
        "cpu_seconds": cpu,
        "loss_after_one_more_exact_user_solve": {
            "viecomrec": als_loss(confidence, user, ours["item"], GUIDE),
            "implicit_cholesky": als_loss(confidence, their_user, their_item, GUIDE),
        },
        "times_less_cpu_than_implicit_cholesky": cpu["implicit_cholesky"] / cpu["viecomrec"],
        "seconds_at_gemm_speed": dense_seconds(confidence, 1),
    }


def bench_bpr() -> dict:
    """The guide's configuration on one thread, the same number of epochs of each."""
    matrices, held_out = seed_scale(np.random.default_rng(0))
    epochs, n_pairs = 30, matrices.binary.nnz
    pairs = BprPairs(matrices)
    found: dict[str, np.ndarray | BayesianPersonalizedRanking] = {}

    def ours() -> None:
        rng = np.random.default_rng(1)
        shapes = ((matrices.n_users, FACTORS), (matrices.n_items, FACTORS))
        user, item = (rng.normal(0, 0.3 / 8, shape).astype(np.float32) for shape in shapes)
        state = BprState(0, user, item, np.zeros(matrices.n_items, np.float32))
        for _ in range(epochs):
            state = run_epoch(
                state,
                pairs,
                negatives=Negatives(0.3),
                learning_rate=0.05,
                regularization=1e-4,
                seed=1,
            )
        found["ours"] = state

    def theirs() -> None:
        model = BayesianPersonalizedRanking(
            factors=FACTORS,
            learning_rate=0.05,
            regularization=1e-4,
            iterations=epochs,
            num_threads=1,
            random_state=1,
        )
        model.fit(csr_matrix(matrices.binary), show_progress=False)
        found["theirs"] = model

    ours()
    cpu = alternated({"viecomrec": ours, "implicit": theirs}, repeats=3)
    state, model = found["ours"], found["theirs"]
    seen = matrices.confidence
    scores = {
        "viecomrec": lambda rows: state.user[rows] @ state.item.T + state.bias,
        "implicit": factor_scores(model.user_factors, model.item_factors),
    }
    ndcg = {
        name: evaluate(score, held_out, seen, threads=THREADS).summary["ndcg@10"]
        for name, score in scores.items()
    }
    speed = {name: epochs * n_pairs / seconds for name, seconds in cpu.items()}
    return {
        "pairs": int(n_pairs),
        "epochs": epochs,
        "samples_per_cpu_second": speed,
        "ndcg@10": ndcg,
        "times_the_samples_of_implicit": speed["viecomrec"] / speed["implicit"],
    }


def bench_top() -> dict:
    """Top 10 for all users, seen items left out, identical ids."""
    matrices, _ = seed_scale(np.random.default_rng(0))
    confidence = matrices.confidence
    user, item = our_als(confidence, 5)
    model = AlternatingLeastSquares(factors=FACTORS, num_threads=THREADS)
    model.user_factors, model.item_factors = user, item
    users = np.arange(matrices.n_users, dtype=np.int32)
    peer_seen = csr_matrix(confidence)
    ids: dict[str, np.ndarray] = {}

    def ours() -> None:
        scores = factor_scores(user, item)
        ids["ours"] = top_items(scores, users, confidence, 10, threads=THREADS)

    def theirs() -> None:
        with single_threaded_blas():
            ids["theirs"], _ = model.recommend(users, peer_seen, N=10)

    ours()
    cpu = alternated({"viecomrec": ours, "implicit": theirs}, repeats=5)
    gemm = 2 * user.shape[0] * item.shape[0] * FACTORS / machine_gflops() / 1e9
    return {
        "users_per_cpu_second": {name: len(users) / seconds for name, seconds in cpu.items()},
        "share_of_identical_ids": float((ids["ours"] == ids["theirs"]).mean()),
        "times_faster_than_implicit": cpu["implicit"] / cpu["viecomrec"],
        "seconds": cpu["viecomrec"],
        "seconds_of_the_matrix_product_alone": gemm,
    }


BENCHES = {"als": bench_als, "bpr": bench_bpr, "top": bench_top, "large": bench_large}


def main() -> None:
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    for name in sys.argv[1:] or BENCHES:
        results[name] = {**BENCHES[name](), "date": datetime.now(UTC).isoformat(timespec="seconds")}
        print(name, json.dumps(results[name], indent=2), flush=True)
    results["machine"] = {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": THREADS,
        "gemm_gflops_of_one_core": machine_gflops(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "numba": numba.__version__,
        "implicit": implicit.__version__,
    }
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
