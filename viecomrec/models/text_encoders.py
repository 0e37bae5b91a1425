"""Encoders of product texts: the contract, and the one that needs no download."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from viecomrec.domain.embeddings import EncoderIdentity
from viecomrec.domain.numeric_format import NumericFormat
from viecomrec.domain.product_text import fields_of

EXACT_UP_TO = 4096
"""Products up to which the singular vectors are exact; their Gram matrix takes 128 MB then."""

WHITENED_RANK = 256
Postprocess = Literal["none", "centre", "whiten"]

WORD = r"\w+"
RARE_TERMS_FROM = 50
"""From this many products on, a term of one product alone is left out."""


class TextEncoder(Protocol):
    """Turns texts into rows of float32; the pipeline normalises and stores them."""

    @property
    def identity(self) -> EncoderIdentity: ...

    @property
    def is_per_text(self) -> bool:
        """Whether a text's vector depends on that text alone, so that it may be kept."""
        ...

    def encode(
        self, texts: Sequence[str], on_progress: Callable[[int], None]
    ) -> NDArray[np.float32]:
        """Vectors of the texts (n x dimensions); `on_progress` hears how many more are done."""
        ...


class FormattedEncoder(TextEncoder, Protocol):
    """An encoder that can calculate in several numeric formats."""

    @property
    def why_not_int8(self) -> str | None: ...

    def in_format(self, numeric_format: NumericFormat) -> TextEncoder: ...


class TfidfEncoder:
    """Character and word n-grams, TF-IDF, truncated SVD (latent semantic analysis).

    Deerwester et al. 1990. The space is fitted on the very texts that are encoded: the same
    texts give the same bytes, one changed text moves them all. Fewer texts or terms than
    `dimensions` leave the last columns zero.
    """

    is_per_text = False

    def __init__(self, dimensions: int) -> None:
        self._dimensions = dimensions

    @property
    def identity(self) -> EncoderIdentity:
        return EncoderIdentity(
            model="tfidf-char-word-svd", revision=None, options={"dimensions": self._dimensions}
        )

    def encode(
        self, texts: Sequence[str], on_progress: Callable[[int], None]
    ) -> NDArray[np.float32]:
        # The limit below reaches only libraries that are loaded already.
        import scipy.linalg  # noqa: F401
        import sklearn.decomposition  # noqa: F401

        # One thread: the order of additions, and so every byte, is independent of the cores.
        with threadpool_limits(limits=1):
            vectors = _principal_rows(_weighted_terms(texts), self._dimensions)
        on_progress(len(texts))
        return vectors


def corpus_space(key: str, text_hashes: Iterable[str]) -> str:
    """The name of a space that is fitted on these texts: another corpus is another space."""
    digest = hashlib.sha256("\n".join(sorted(set(text_hashes))).encode()).hexdigest()[:16]
    return f"{key}-{digest}"


def normalised(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows of length 1, C order; a zero row stays zero."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled = vectors / np.where(lengths > 0, lengths, 1)
    return np.ascontiguousarray(scaled, dtype=np.float32)


def postprocessed(vectors: NDArray[np.float32], how: Postprocess) -> NDArray[np.float32]:
    """Vectors made more even over directions; the result depends on all of them together.

    `centre` subtracts the mean. `whiten` also gives each of the leading directions the same
    variance (Su et al. 2021) and leaves the columns after them zero: at most WHITENED_RANK of
    them, and a quarter of the texts, since the directions behind are noise.
    """
    if how == "none":
        return vectors
    centred = (vectors - vectors.mean(axis=0, dtype=np.float64)).astype(np.float32)
    return centred if how == "centre" else _whitened(centred)


def _whitened(centred: NDArray[np.float32]) -> NDArray[np.float32]:
    with threadpool_limits(limits=1):
        variances, directions = np.linalg.eigh(np.cov(centred, rowvar=False))
    rank = max(1, min(WHITENED_RANK, len(centred) // 4))
    kept = np.argsort(variances)[::-1][:rank]
    scales = 1 / np.sqrt(np.maximum(variances[kept], 1e-9 * variances.max()))
    whitened = np.zeros_like(centred)
    whitened[:, :rank] = centred @ (directions[:, kept] * scales)
    return whitened


def _weighted_terms(texts: Sequence[str]) -> Any:
    """TF-IDF of characters (3-4, within words) and words (1-2), both of equal weight, CSR."""
    from scipy.sparse import hstack
    from sklearn.feature_extraction.text import TfidfVectorizer

    plain = [" ".join(fields_of(text)) for text in texts]
    common = {
        "min_df": 2 if len(texts) >= RARE_TERMS_FROM else 1,
        "sublinear_tf": True,
        "dtype": np.float32,
    }
    characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 4), **common)
    words = TfidfVectorizer(ngram_range=(1, 2), token_pattern=WORD, **common)
    parts = [characters.fit_transform(plain), words.fit_transform(plain)]
    return hstack(parts, format="csr", dtype=np.float32)


def _principal_rows(terms: Any, dimensions: int) -> NDArray[np.float32]:
    """U x S of the truncated singular value decomposition, padded with zero columns."""
    rank = min(dimensions, *terms.shape)
    rows = np.zeros((terms.shape[0], dimensions), dtype=np.float32)
    if terms.shape[0] <= EXACT_UP_TO:
        rows[:, :rank] = _exact_rows(terms, rank)
    else:
        rows[:, :rank] = _randomised_rows(terms, rank)
    return rows


def _exact_rows(terms: Any, rank: int) -> NDArray[np.float64]:
    """By the eigenvectors of X X^T, several times cheaper than a randomised SVD at this size."""
    from scipy.linalg import eigh

    n = terms.shape[0]
    gram = (terms @ terms.T).toarray().astype(np.float64)
    squares, vectors = eigh(gram, subset_by_index=[n - rank, n - 1])
    rows = (vectors * np.sqrt(np.clip(squares, 0, None)))[:, ::-1]
    largest = np.abs(rows).argmax(axis=0)
    signs = np.sign(rows[largest, np.arange(rank)])
    return rows * np.where(signs == 0, 1, signs)  # type: ignore[no-any-return]


def _randomised_rows(terms: Any, rank: int) -> NDArray[np.float64]:
    """Halko, Martinsson, Tropp 2011, with a fixed seed."""
    from sklearn.decomposition import TruncatedSVD

    svd = TruncatedSVD(rank, algorithm="randomized", n_iter=4, random_state=0)
    return svd.fit_transform(terms)  # type: ignore[no-any-return]
