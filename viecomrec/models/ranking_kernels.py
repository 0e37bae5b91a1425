# mypy: disable-error-code="no-untyped-def"
"""The compiled selection of the best items.

Items are dealt onto `_LANES` lanes like cards. The highest score of each lane is one vector
operation per deal, and the depth-th highest of them is a bound that the list surely reaches, so
that only the few lanes above it are read one by one.
"""

import numpy as np
from numba import njit

_LANES = 64


@njit(nogil=True, cache=True)
def select_top(scores, users, seen_start, seen, top):
    """Write the best unseen items of each row into `top`, best first; `scores` is overwritten.

    Row r belongs to user `users[r]`, whose seen items are `seen[seen_start[u]:seen_start[u+1]]`.
    """
    n, n_items = scores.shape
    highest = np.empty(_LANES, np.float32)
    best = np.empty(top.shape[1], np.float32)
    for row in range(n):
        user = users[row]
        for place in range(seen_start[user], seen_start[user + 1]):
            scores[row, seen[place]] = -np.inf
        _lane_maxima(scores[row], highest)
        bound = _nth_highest(highest, best)
        size = 0
        for lane in range(_LANES):
            if highest[lane] < bound:
                continue
            for item in range(lane, n_items, _LANES):
                score = scores[row, item]
                if score >= bound and score > -np.inf:
                    size = _insert(score, item, best, top[row], size)


@njit(nogil=True, cache=True, fastmath={"nnan", "nsz"})
def _lane_maxima(scores, highest):
    highest[:] = -np.inf
    whole = len(scores) // _LANES * _LANES
    for first in range(0, whole, _LANES):
        for lane in range(_LANES):
            highest[lane] = max(highest[lane], scores[first + lane])
    for item in range(whole, len(scores)):
        highest[item - whole] = max(highest[item - whole], scores[item])


@njit(nogil=True, cache=True)
def _nth_highest(values, best):
    """The lowest of the `len(best)` highest values; -inf where there are fewer values."""
    best[:] = -np.inf
    last = len(best) - 1
    for value in values:
        if value > best[last]:
            place = last
            while place > 0 and best[place - 1] < value:
                best[place] = best[place - 1]
                place -= 1
            best[place] = value
    return best[last]


@njit(nogil=True, cache=True)
def _insert(score, item, best, items, size):
    """Keep the list sorted; of equal scores the lower item stays ahead."""
    place = size
    while place > 0 and (
        best[place - 1] < score or (best[place - 1] == score and items[place - 1] > item)
    ):
        place -= 1
    if place == len(best):
        return size
    for later in range(min(size, len(best) - 1), place, -1):
        best[later] = best[later - 1]
        items[later] = items[later - 1]
    best[place] = score
    items[place] = item
    return min(size + 1, len(best))
