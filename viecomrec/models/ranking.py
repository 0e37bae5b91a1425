"""The best items of each user: exact, seen items left out, equal scores by the lower index."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from viecomrec.models.ranking_kernels import select_top
from viecomrec.models.threads import run_parts, single_threaded_blas

Floats = NDArray[np.float32]
ScoreRows = Callable[[NDArray[np.int32]], Floats]
"""Scores (n x n_items, float32) of the users with these rows."""

CHUNK_CELLS = 786_432
"""Scores that are made at a time, 3 MB: fewer make the matrix product slower, more leave the cache
before they are read again."""


def top_items(
    score_rows: ScoreRows,
    users: NDArray[np.int32],
    seen: csr_array,
    depth: int,
    *,
    threads: int = 1,
) -> NDArray[np.int32]:
    """The `depth` best unseen items of each user, best first; -1 where none is left.

    Returns n_users x depth. `seen` (all users x items) holds what each user must not get.
    """
    top = np.full((len(users), depth), -1, dtype=np.int32)
    size = int(np.clip(CHUNK_CELLS // max(seen.shape[1], 1), 64, 1024))
    parts = [(start, min(start + size, len(users))) for start in range(0, len(users), size)]
    seen_start, seen_items = seen.indptr.astype(np.int64), seen.indices.astype(np.int32)

    def work(start: int, stop: int) -> None:
        rows = users[start:stop]
        scores = np.ascontiguousarray(score_rows(rows), dtype=np.float32)
        if not scores.flags.writeable:
            scores = scores.copy()
        select_top(scores, rows, seen_start, seen_items, top[start:stop])

    with single_threaded_blas():
        run_parts(parts, work, threads)
    return top
