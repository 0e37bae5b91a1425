"""One index space: outside ids are opaque strings, inside they are row numbers."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NewType

UserId = NewType("UserId", str)
ProductId = NewType("ProductId", str)
UserIndex = NewType("UserIndex", int)
ItemIndex = NewType("ItemIndex", int)


@dataclass(frozen=True)
class IdMap:
    """Row r of every matrix and of `U.npy` is `user_ids[r]`; columns and `V.npy` alike."""

    user_ids: tuple[str, ...]
    product_ids: tuple[str, ...]

    def __post_init__(self) -> None:
        for name, ids in (("user", self.user_ids), ("product", self.product_ids)):
            if len(set(ids)) != len(ids):
                raise ValueError(f"a {name} id appears twice in the id map")

    @property
    def n_users(self) -> int:
        return len(self.user_ids)

    @property
    def n_items(self) -> int:
        return len(self.product_ids)

    @cached_property
    def _user_index(self) -> dict[str, int]:
        return {user_id: index for index, user_id in enumerate(self.user_ids)}

    @cached_property
    def _item_index(self) -> dict[str, int]:
        return {product_id: index for index, product_id in enumerate(self.product_ids)}

    def user_index(self, user_id: str) -> UserIndex | None:
        """The row of a trainable user; None for everybody else."""
        index = self._user_index.get(user_id)
        return None if index is None else UserIndex(index)

    def item_index(self, product_id: str) -> ItemIndex | None:
        """The column of a product; None for an unknown one."""
        index = self._item_index.get(product_id)
        return None if index is None else ItemIndex(index)

    def item_indices(self, product_ids: Iterable[str]) -> list[ItemIndex]:
        """The columns of the known ones among `product_ids`, in their order."""
        found = (self._item_index.get(product_id) for product_id in product_ids)
        return [ItemIndex(index) for index in found if index is not None]

    def with_users(self, new_user_ids: Sequence[str]) -> "IdMap":
        """Append rows; the old ones never move."""
        return IdMap((*self.user_ids, *new_user_ids), self.product_ids)
