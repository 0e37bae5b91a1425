# mypy: disable-error-code="no-untyped-def"
"""Compiled loops of the row solver; `row_solver` says what they compute.

Compiled once and kept beside this file (or in NUMBA_CACHE_DIR); reassociation lets the compiler
vectorise sums and is the same at each run on one machine.
"""

import numpy as np
from numba import njit

_BLOCK = 512
"""Entries of a long row that are gathered at a time."""


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract"})
def solve_rows(start, stop, indptr, indices, weights, fixed, shared, ridge, w0, out):
    factors = fixed.shape[1]
    short = factors
    inverse = np.empty(factors, np.float32)
    rows = np.empty((short + 1, factors), np.float32)
    scaled = np.empty((short + 1, factors), np.float32)
    system = np.empty((short + 1, short + 1), np.float32)
    block = np.empty((_BLOCK, factors), np.float32)
    for row in range(start, stop):
        first, last = indptr[row], indptr[row + 1]
        n = last - first
        if n == 0:
            continue
        if n > short:
            out[row] = _solve_long(
                indices[first:last], weights[first:last], fixed, shared, ridge[row], w0, block
            )
            continue
        for f in range(factors):
            inverse[f] = np.float32(1) / (shared[f] + ridge[row])
        _solve_short(
            indices[first:last],
            weights[first:last],
            fixed,
            inverse,
            w0,
            rows,
            scaled,
            system,
            out[row],
        )


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract"})
def _solve_short(indices, weights, fixed, inverse, w0, rows, scaled, system, out):
    """Write M^-1 Y' (D^-1 + Y M^-1 Y')^-1 D^-1 c into `out`, with M diagonal.

    Nothing is subtracted, so nothing cancels.
    """
    n, factors = len(indices), fixed.shape[1]
    answer = np.empty(n, np.float32)
    for a in range(n):
        source = fixed[indices[a]]
        for f in range(factors):
            rows[a, f] = source[f]
            scaled[a, f] = source[f] * inverse[f]
        for b in range(a + 1):
            total = np.float32(0)
            for f in range(factors):
                total += scaled[a, f] * rows[b, f]
            system[a, b] = total
        system[a, a] += np.float32(1) / weights[a]
        answer[a] = (w0 + weights[a]) / weights[a]
    _cholesky_solve(system, answer, n)
    for a in range(n):
        for f in range(factors):
            out[f] += answer[a] * scaled[a, f]


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract"})
def _cholesky_solve(lower, answer, n):
    """Solve in place; only the lower triangle of `lower` is read, and it is overwritten."""
    for j in range(n):
        for i in range(j, n):
            total = lower[i, j]
            for k in range(j):
                total -= lower[i, k] * lower[j, k]
            if i == j:
                lower[j, j] = np.sqrt(max(total, np.float32(1e-30)))
            else:
                lower[i, j] = total / lower[j, j]
    for i in range(n):
        total = answer[i]
        for k in range(i):
            total -= lower[i, k] * answer[k]
        answer[i] = total / lower[i, i]
    for i in range(n - 1, -1, -1):
        total = answer[i]
        for k in range(i + 1, n):
            total -= lower[k, i] * answer[k]
        answer[i] = total / lower[i, i]


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract"})
def _solve_long(indices, weights, fixed, shared, ridge, w0, block):
    """The factors x factors system; its sum of outer products goes through BLAS block by block."""
    n, factors = len(indices), fixed.shape[1]
    system = np.zeros((factors, factors), np.float32)
    answer = np.zeros(factors, np.float32)
    for begin in range(0, n, _BLOCK):
        size = min(_BLOCK, n - begin)
        for a in range(size):
            weight = weights[begin + a]
            root = np.sqrt(weight)
            source = fixed[indices[begin + a]]
            for f in range(factors):
                block[a, f] = root * source[f]
                answer[f] += (w0 + weight) * source[f]
        system += np.dot(block[:size].T, block[:size])
    for f in range(factors):
        system[f, f] += shared[f] + ridge
    lower = np.linalg.cholesky(system)
    for i in range(factors):
        total = answer[i]
        for k in range(i):
            total -= lower[i, k] * answer[k]
        answer[i] = total / lower[i, i]
    for i in range(factors - 1, -1, -1):
        answer[i] /= lower[i, i]
        for k in range(i):
            answer[k] -= lower[i, k] * answer[i]
    return answer
