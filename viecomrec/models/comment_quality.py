"""The self-trained comment scorer: character n-grams against the shop's own stars.

A linear model on hashed n-grams (Weinberger et al. 2009) of the lower-case text, so that
misspelt words and texts without diacritics share most of their features with the others.
"""

from collections.abc import Collection, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

from viecomrec.domain.comment_quality import NEUTRAL, SELF_TRAINED, UNTRAINED, ScorerWeights
from viecomrec.domain.comment_trust import LOWEST

N_BUCKETS = 2**18
NGRAM_SIZES = (2, 3, 4)
MIN_EXAMPLES = 20
"""With fewer comments on either side nothing is learnt and every comment is neutral."""

FAMILIAR_SIZE = 4
MIN_FAMILIAR_TEXTS = 2000
FAMILIAR_EVERY = 1800
STRANGE_SHARE, FAMILIAR_SHARE = 0.45, 0.9
"""Up to the first share of familiar n-grams a text is worth LOWEST, from the second on all."""

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_SEPARATOR = "\x00"
_CHUNK_CHARACTERS = 40_000
"""So few that the arrays of a chunk stay in the cache of a core: half the time of 250,000."""


class NgramScorer:
    """P(positive) of a comment, a pure function of its text and the fitted weights."""

    def __init__(self, fitted: ScorerWeights, version: str) -> None:
        self._fitted = fitted
        self._version = version

    @property
    def version(self) -> str:
        return f"{self._fitted.kind}-{self._version}"

    @property
    def model(self) -> str:
        return self._fitted.kind

    def score(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Quality in [0, 1] of each text, float32; empty texts are neutral.

        P(positive) times `familiarity`.
        """
        quality = np.full(len(texts), NEUTRAL, dtype=np.float32)
        if self._fitted.kind == UNTRAINED:
            return quality
        for start, chunk in _chunks(texts):
            sums, counts, shares = self._judged(chunk)
            filled = counts > 0
            logits = sums[filled] / np.sqrt(counts[filled]) + self._fitted.bias
            positive = 1 / (1 + np.exp(-logits))
            quality[start : start + len(chunk)][filled] = positive * _factor(shares[filled])
        return quality

    def familiarity(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """A factor in [0.1, 1]: mashed keys are made of letters that never stand together."""
        shares = [self._judged(chunk)[2] for _, chunk in _chunks(texts)]
        return _factor(np.concatenate(shares)) if shares else np.ones(0, dtype=np.float32)

    def _judged(
        self, texts: Sequence[str]
    ) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
        """Sum of the weights of each text's n-grams, their number, and the share of familiar ones.

        Texts without n-grams, and all texts where nothing is known, have the share 1.
        """
        sums = np.zeros(len(texts))
        counts = np.zeros(len(texts), dtype=np.int64)
        shares = np.ones(len(texts))
        for size, buckets, documents in _ngrams(texts, NGRAM_SIZES):
            n_of_size = np.bincount(documents, minlength=len(texts))
            sums += np.bincount(documents, self._fitted.weights[buckets], minlength=len(texts))
            counts += n_of_size
            if size == FAMILIAR_SIZE and len(self._fitted.familiar):
                familiar = documents[self._fitted.familiar[buckets]]
                n_familiar = np.bincount(familiar, minlength=len(texts))
                shares = np.where(n_of_size > 0, n_familiar / np.maximum(n_of_size, 1), 1.0)
        return sums, counts, shares


def _factor(shares: NDArray[np.float64]) -> NDArray[np.float32]:
    scaled = (shares - STRANGE_SHARE) / (FAMILIAR_SHARE - STRANGE_SHARE)
    return np.clip(scaled, LOWEST, 1).astype(np.float32)


def fit_scorer(texts: Sequence[str], is_positive: NDArray[np.bool_], seed: int) -> ScorerWeights:
    """Fit a balanced logistic regression; the same examples and seed give the same weights."""
    from sklearn.linear_model import LogisticRegression

    n_positive = int(is_positive.sum())
    n_negative = len(texts) - n_positive
    if min(n_positive, n_negative) < MIN_EXAMPLES:
        return ScorerWeights(
            UNTRAINED,
            weights=np.zeros(0, dtype=np.float32),
            familiar=np.zeros(0, dtype=np.bool_),
            bias=0.0,
            n_positive=n_positive,
            n_negative=n_negative,
        )
    model = LogisticRegression(C=1.0, class_weight="balanced", max_iter=200, random_state=seed)
    features = _features(texts)
    # Buckets that never occur keep the weight 0 and need not be fitted.
    occurring = np.flatnonzero(np.bincount(features.indices, minlength=N_BUCKETS))
    with threadpool_limits(limits=1):
        model.fit(features[:, occurring], is_positive)
    weights = np.zeros(N_BUCKETS, dtype=np.float32)
    weights[occurring] = model.coef_[0]
    return ScorerWeights(
        SELF_TRAINED,
        weights,
        _familiar(texts),
        float(model.intercept_[0]),
        n_positive,
        n_negative,
    )


def _familiar(texts: Sequence[str]) -> NDArray[np.bool_]:
    """Buckets that occur in at least one comment of FAMILIAR_EVERY; none for a small shop."""
    if len(texts) < MIN_FAMILIAR_TEXTS:
        return np.zeros(0, dtype=np.bool_)
    n_texts = np.zeros(N_BUCKETS, dtype=np.int64)
    for _, chunk in _chunks(texts):
        for _, buckets, documents in _ngrams(chunk, (FAMILIAR_SIZE,)):
            pairs = np.unique(buckets * len(chunk) + documents)
            n_texts += np.bincount(pairs // len(chunk), minlength=N_BUCKETS)
    return n_texts * FAMILIAR_EVERY >= len(texts)


def _features(texts: Sequence[str]) -> csr_matrix:
    """n_texts x N_BUCKETS: how often each bucket occurs, over the root of all occurrences."""
    rows, buckets = [], []
    for start, chunk in _chunks(texts):
        for _, hashes, documents in _ngrams(chunk, NGRAM_SIZES):
            buckets.append(hashes)
            rows.append(documents + start)
    row, bucket = np.concatenate(rows), np.concatenate(buckets)
    counts = np.bincount(row, minlength=len(texts))
    values = 1 / np.sqrt(counts[row])
    return csr_matrix((values, (row, bucket)), shape=(len(texts), N_BUCKETS))


def _ngrams(
    texts: Sequence[str], sizes: Collection[int]
) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.int64]]]:
    """(size, buckets, documents) of every n-gram, for each of the sizes."""
    code_points = np.frombuffer(_joined(texts).encode("utf-32-le"), dtype=np.uint32)
    letters, is_letter = code_points.astype(np.uint64), code_points != 0
    document = np.cumsum(~is_letter, dtype=np.int64) - 1
    code, is_inside = np.zeros_like(letters), np.ones_like(is_letter)
    for size in range(1, max(sizes) + 1):
        # Each window grows by the next letter; the last one has no room to.
        n_windows = max(len(letters) - size + 1, 0)
        code = code[:n_windows] * _MULTIPLIER
        code += letters[size - 1 :]
        is_inside = is_inside[:n_windows] & is_letter[size - 1 :]
        if size in sizes:
            inside = np.flatnonzero(is_inside)
            yield size, _buckets(code.take(inside), size), document.take(inside)


def _buckets(code: NDArray[np.uint64], size: int) -> NDArray[np.int64]:
    """Spread the polynomial codes of n-grams evenly over the buckets; `code` is used up."""
    code += np.uint64(size * pow(int(_MULTIPLIER), size, 2**64) % 2**64)
    code ^= code >> np.uint64(29)
    code *= _MULTIPLIER
    code >>= np.uint64(64 - N_BUCKETS.bit_length() + 1)
    return code.view(np.int64)


def _joined(texts: Sequence[str]) -> str:
    """All texts in lower case, each between separators.

    A space stands at both ends of a text, so that word starts and ends are n-grams too.
    """
    padded = (f" {text.replace(_SEPARATOR, ' ')} " if text else "" for text in texts)
    return _SEPARATOR.join(["", *padded, ""]).lower()


def _chunks(texts: Sequence[str]) -> Iterator[tuple[int, Sequence[str]]]:
    """Slices of about 40,000 characters, so that memory does not grow with the shop."""
    lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
    ends = np.flatnonzero(np.diff(np.cumsum(lengths) // _CHUNK_CHARACTERS)) + 1
    starts = [0, *ends.tolist()]
    for start, end in zip(starts, [*starts[1:], len(texts)], strict=True):
        if start < end:
            yield start, texts[start:end]
