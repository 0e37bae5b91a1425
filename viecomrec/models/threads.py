"""Who may use how many cores: rows are spread over our own threads, BLAS stays on one.

Nested thread pools cost ten times the work, and a BLAS that splits its sums by thread count
gives other bytes on another machine.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache

# The limit reaches only libraries that are loaded: the compiled kernels call SciPy's BLAS.
import scipy.linalg  # noqa: F401
from threadpoolctl import ThreadpoolController


def thread_count(configured: int) -> int:
    """`configured`, or one for each core where it is 0."""
    return configured or os.cpu_count() or 1


@cache
def _libraries() -> ThreadpoolController:
    """Finding the loaded libraries takes milliseconds, limiting them microseconds."""
    return ThreadpoolController()


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    with _libraries().limit(limits=1, user_api="blas"):
        yield


@cache
def _pool(n: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(n, thread_name_prefix="viecomrec-rows")


def run_parts(parts: Sequence[tuple[int, int]], work: Callable[[int, int], None], n: int) -> None:
    """Call `work(start, stop)` for each part on `n` threads; the first error is raised."""
    if n == 1 or len(parts) < 2:  # noqa: PLR2004 - one part needs no pool
        for start, stop in parts:
            work(start, stop)
        return
    for future in [_pool(n).submit(work, start, stop) for start, stop in parts]:
        future.result()
