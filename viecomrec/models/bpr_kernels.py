# mypy: disable-error-code="no-untyped-def"
"""The compiled inner loop of BPR; `bpr` says what it computes.

Compiled once and kept beside this file (or in NUMBA_CACHE_DIR). One thread: the same stream of
random numbers gives the same bytes.
"""

import numpy as np
from numba import njit, uint64

_TRIES = 8
"""Draws of a negative before a user who has touched nearly everything is left alone."""

_LIMIT = np.float32(1e6)
"""Log-odds that no descent reaches unless it diverges."""


@njit(nogil=True, cache=True)
def _next(state):
    """SplitMix64 (Steele, Lea, Flood 2014): the next state and 64 random bits."""
    state = uint64(state) + uint64(0x9E3779B97F4A7C15)
    bits = state
    bits = (bits ^ (bits >> uint64(30))) * uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> uint64(27))) * uint64(0x94D049BB133111EB)
    return state, bits ^ (bits >> uint64(31))


@njit(nogil=True, cache=True)
def _below(bits, n):
    """A number below `n` from the upper half of `bits`."""
    return np.int64(((bits >> uint64(32)) * uint64(n)) >> uint64(32))


@njit(nogil=True, cache=True)
def _holds(indices, first, last, wanted):
    """Whether the sorted slice holds `wanted`; histories are short, so a scan is fastest."""
    for place in range(first, last):
        if indices[place] >= wanted:
            return indices[place] == wanted
    return False


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract", "arcp"})
def bpr_epoch(
    user,
    item,
    bias,
    order,
    pair_user,
    pair_item,
    touched_start,
    touched,
    disliked_start,
    disliked,
    hard_share,
    popular_share,
    rate,
    ridge,
    state,
):
    """One pass over the positive pairs in `order`; changes user, item and bias in place.

    False where a margin is no longer a sane number: the descent has diverged.
    """
    n_items, factors = item.shape
    n_pairs = len(order)
    hard_below = uint64(hard_share * 4294967295.0)
    popular_below = uint64((hard_share + popular_share) * 4294967295.0)
    state = uint64(state)
    for step in range(n_pairs):
        pair = order[step]
        u, i = pair_user[pair], pair_item[pair]
        first, last = touched_start[u], touched_start[u + 1]
        state, bits = _next(state)
        coin = bits & uint64(0xFFFFFFFF)
        j = np.int64(-1)
        own = disliked_start[u + 1] - disliked_start[u]
        if coin < hard_below and own > 0:
            j = np.int64(disliked[disliked_start[u] + _below(bits, own)])
        else:
            for _ in range(_TRIES):
                # Both are drawn: a branch that goes either way costs more than it saves.
                popular = np.int64(pair_item[_below(bits, n_pairs)])
                uniform = _below(bits, n_items)
                drawn = popular if coin < popular_below else uniform
                if not _holds(touched, first, last, drawn):
                    j = drawn
                    break
                state, bits = _next(state)
        if j < 0:
            continue
        row, liked, other = user[u], item[i], item[j]
        margin = bias[i] - bias[j]
        for f in range(factors):
            margin += row[f] * (liked[f] - other[f])
        if not abs(margin) < _LIMIT:
            return False
        pull = np.float32(1) / (np.float32(1) + np.exp(margin))
        for f in range(factors):
            taste, good, bad = row[f], liked[f], other[f]
            row[f] = taste + rate * (pull * (good - bad) - ridge * taste)
            liked[f] = good + rate * (pull * taste - ridge * good)
            other[f] = bad + rate * (-pull * taste - ridge * bad)
        bias[i] += rate * (pull - ridge * bias[i])
        bias[j] += rate * (-pull - ridge * bias[j])
    return True
