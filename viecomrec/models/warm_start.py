"""Starting from a previous model whose users and products may be others than today's."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viecomrec.domain.factors import Factors
from viecomrec.domain.identity import IdMap
from viecomrec.domain.recipes import AlsRecipe, BprRecipe
from viecomrec.errors import TrainingError
from viecomrec.models.als import Progress, random_items, user_factors
from viecomrec.models.bpr import BprProgress, BprState
from viecomrec.models.content import learn_text_map, principal_components
from viecomrec.models.trainer import TrainingData
from viecomrec.models.variants import VariantGroups

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class WarmStart:
    """A previous model's factors in today's rows: users, and products (variant groups).

    Rows that the previous model did not know are zero and False in `knows_user`, `knows_item`.
    `solver` is the previous `params["solver"]`.
    """

    model_id: str
    user: Floats
    item: Floats
    bias: Floats
    knows_user: NDArray[np.bool_]
    knows_item: NDArray[np.bool_]
    solver: dict[str, Any]


def map_by_ids(
    model_id: str,
    previous: Factors,
    solver: dict[str, Any],
    ids: IdMap,
    groups: VariantGroups,
) -> WarmStart:
    """Bring the factors of a previous model into today's rows, by ids alone."""
    of_user = np.array([_row(previous.ids.user_index(one)) for one in ids.user_ids], dtype=int)
    of_item = np.array([_row(previous.ids.item_index(one)) for one in ids.product_ids], dtype=int)
    of_group = np.full(groups.n_groups, -1)
    known = np.flatnonzero(of_item >= 0)[::-1]
    of_group[groups.group_of[known]] = of_item[known]
    bias = np.zeros(len(previous.item), np.float32)
    if previous.item_bias is not None:
        bias = previous.item_bias
    return WarmStart(
        model_id=model_id,
        user=_picked(previous.user, of_user),
        item=_picked(previous.item, of_group),
        bias=_picked(bias[:, None], of_group)[:, 0],
        knows_user=of_user >= 0,
        knows_item=of_group >= 0,
        solver=solver,
    )


def warm_als(warm: WarmStart, data: TrainingData, recipe: AlsRecipe) -> Progress:
    """Enter the sweeps in the middle: half the iterations of a cold start are left."""
    _require_width(warm, recipe.factors)
    return Progress(recipe.iterations - recipe.iterations // 2, warm_items(warm, data, recipe.seed))


def warm_bpr(warm: WarmStart, data: TrainingData, recipe: BprRecipe) -> BprProgress:
    """Descend from the previous factors; users it did not know are folded in."""
    _require_width(warm, recipe.factors)
    item = warm_items(warm, data, recipe.seed)
    user = warm.user.copy()
    new = np.flatnonzero(~warm.knows_user)
    if len(new):
        solver = AlsRecipe.model_validate({"name": "fold-in", **warm.solver})
        folded = user_factors(data.matrices.confidence[new], item, solver)
        lengths = np.linalg.norm(folded, axis=1, keepdims=True)
        wanted = float(warm.solver.get("length", 1.0))
        user[new] = folded * np.divide(
            wanted, lengths, out=np.zeros_like(lengths), where=lengths > 0
        )
    return BprProgress.begin(BprState(0, user, item, warm.bias.copy()))


def warm_items(warm: WarmStart, data: TrainingData, seed: int) -> Floats:
    """Known products keep their factors; new ones get what their text predicts, else noise."""
    item = warm.item.copy()
    new = ~warm.knows_item
    rng = np.random.default_rng(seed)
    item[new] = random_items(len(item), item.shape[1], rng)[new]
    if data.content is None:
        return item
    has_text = np.abs(data.content).max(axis=1, initial=0) > 0
    taught, asked = warm.knows_item & has_text, new & has_text
    if taught.sum() >= 2 and asked.any():  # noqa: PLR2004 - a line through one point
        width = min(data.content.shape[1], 2 * item.shape[1])
        features = principal_components(data.content, width)
        text_map = learn_text_map(features[taught], item[taught])
        item[asked] = text_map.factors(features[asked])
    return item


def _require_width(warm: WarmStart, factors: int) -> None:
    if warm.item.shape[1] != factors:
        raise TrainingError(
            f"The previous model {warm.model_id} has {warm.item.shape[1]} factors, the "
            f"configuration asks for {factors}: train without --warmstart once."
        )


def _row(index: int | None) -> int:
    return -1 if index is None else index


def _picked(rows: Floats, places: NDArray[np.intp]) -> Floats:
    """`rows[places]`, zeros where a place is -1."""
    picked = np.zeros((len(places), rows.shape[1]), dtype=np.float32)
    known = places >= 0
    picked[known] = rows[places[known]]
    return picked
