"""Which products the same people choose, and how much each of these people says.

NumPy and SciPy alone: the service starts without a compiler.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

MAX_CHOICES = 1_000
"""A robot that chose more products than this says nothing about which go together."""


@dataclass(frozen=True)
class CoPurchase:
    """How people who chose both products become a score of j for who chose i.

    (n_ij + m prior_ij) / (n_i + m)^h / (n_j + 1/2)^p, where a person of d choices counts in n_ij
    by d^-a. The defaults are the smoothed P(j | i), and what models have whose `params.json` says
    nothing of it. Cosine: h = p = 1/2; RP3beta (Paudel et al. 2017): a = h = 1.
    """

    activity_exponent: float = 0.0
    """a: who chose a hundred products says less about any two of them than who chose two."""

    history_exponent: float = 1.0
    """h: below 1, products that many people chose count more within a history."""

    popularity_exponent: float = 0.0
    """p: above 0, what everybody chooses is no neighbour of everything."""

    pseudo_counts: float = 10.0
    """m: people that the prior, of texts and popularity, is worth."""

    def __post_init__(self) -> None:
        numbers = asdict(self)
        if not (all(np.isfinite(x) and x >= 0 for x in numbers.values()) and self.pseudo_counts):
            raise ValueError(f"co-purchase needs numbers from 0 on and pseudo-counts: {numbers}")

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> "CoPurchase":
        """What a model was made with, from the content of its `params.json`."""
        stored = params.get("blend", {}).get("co_purchase", {})
        names = {field.name for field in fields(cls)}
        return cls(**{name: float(x) for name, x in stored.items() if name in names})


PLAIN = CoPurchase()

CO_PURCHASES = (
    PLAIN,
    CoPurchase(activity_exponent=0.5),
    CoPurchase(activity_exponent=0.5, pseudo_counts=100.0),
    CoPurchase(activity_exponent=0.5, history_exponent=0.5),
    CoPurchase(activity_exponent=0.7, history_exponent=0.5, popularity_exponent=0.3),
    CoPurchase(activity_exponent=1.0, history_exponent=0.5, popularity_exponent=0.3),
)
"""What training tries; the first is the plain one."""


def co_purchases(positives: csr_array, activity_exponent: float = 0.0) -> csr_array:
    """How many people chose both products, n_items x n_items, zero diagonal.

    A person of d choices counts d^-activity_exponent, times a number that leaves the sum over all
    choices what it was, so that pseudo-counts mean the same.
    """
    few = np.diff(positives.indptr) <= MAX_CHOICES
    people = positives if few.all() else csr_array(positives[np.flatnonzero(few)])
    counts = csr_array(people.T @ weighed_people(people, activity_exponent))
    counts.setdiag(0)
    counts.eliminate_zeros()
    return counts


def weighed_people(people: csr_array, activity_exponent: float) -> csr_array:
    """Each choice counts what its person does; the sum stays what it was."""
    if activity_exponent == 0:
        return people
    choices = np.diff(people.indptr)
    each = np.repeat(np.maximum(choices, 1) ** -activity_exponent, choices)
    total = each.sum()
    data = people.data * (each * (len(each) / total if total else 1)).astype(np.float32)
    return csr_array((data, people.indices, people.indptr), shape=people.shape)


def row_denominators(popularity: NDArray[np.float32], how: CoPurchase) -> NDArray[np.float32]:
    """What the row of each product is divided by."""
    counts = popularity + np.float32(how.pseudo_counts)
    return counts ** np.float32(how.history_exponent)


def column_denominators(popularity: NDArray[np.float32], how: CoPurchase) -> NDArray[np.float32]:
    """What the column of each product is divided by."""
    return (popularity + np.float32(0.5)) ** np.float32(how.popularity_exponent)
