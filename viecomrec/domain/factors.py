"""What a factor model has learnt."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from viecomrec.domain.identity import IdMap


@dataclass(frozen=True)
class Factors:
    """U (n_users x factors) and V (n_items x factors), float32, C order, rows of `ids`.

    `item_bias` (n_items) lies beside V where the model has one (BPR); else it is None.
    """

    user: NDArray[np.float32]
    item: NDArray[np.float32]
    ids: IdMap
    item_bias: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        if self.user.shape != (self.ids.n_users, self.width):
            raise ValueError(f"U is {self.user.shape}, the id map has {self.ids.n_users} users")
        if self.item.shape[0] != self.ids.n_items:
            raise ValueError(f"V is {self.item.shape}, the id map has {self.ids.n_items} products")

    @property
    def width(self) -> int:
        return int(self.item.shape[1])

    def scores(self, user_vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores of all items for the given user vectors (n x factors), shape n x n_items."""
        scores = user_vectors @ self.item.T
        return scores if self.item_bias is None else scores + self.item_bias
