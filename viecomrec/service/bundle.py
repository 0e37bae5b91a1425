"""All that one answer needs, loaded and checked together, replaced together."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from viecomrec.bootstrap import Installation
from viecomrec.domain.catalogue import fold_label
from viecomrec.domain.factors import Factors
from viecomrec.domain.fresh_events import FreshEvents
from viecomrec.domain.histories import NO_HISTORY, History
from viecomrec.domain.identity import IdMap
from viecomrec.domain.ranking_rules import RankingRules
from viecomrec.domain.registry import ModelType
from viecomrec.models.blend import BlendedScorer
from viecomrec.models.co_purchase import CoPurchase
from viecomrec.models.fold_in import FoldIn, representatives
from viecomrec.models.user_scores import UserScores
from viecomrec.service.fast_lane import FastLane, open_lane
from viecomrec.service.news import users_with_news
from viecomrec.service.rendering import to_json
from viecomrec.service.shop_data import ShopData, load_shop_data

CATEGORY_LIFT = np.float32(1e3)
"""Puts every product of a category before all others, whatever their popularity."""


@dataclass(frozen=True)
class Bundle:
    """One model with its own ids, the shop's data and the shop's rules.

    `item_factors` has the rows of the shop's products, `scorer` those of its variant groups, as
    in the training. A product that is newer than the model has a zero row: it is shown by its
    popularity and its text, and has no score of behaviour until the next training. `fresh` alone
    is shared by all bundles of a worker: events keep coming.
    """

    model_id: str
    model_type: ModelType
    user_ids: IdMap
    user_factors: NDArray[np.float32]
    item_factors: NDArray[np.float32]
    scorer: BlendedScorer
    fold_in: FoldIn
    users_with_news: frozenset[str]
    """Trained users with events that the model's snapshot does not hold: they are folded in.

    Everybody else is served the trained row, which was learnt from the training part of the
    snapshot: an event that was held out for measuring is masked as seen and counts in the signals
    of texts and co-purchases, not in the row.
    """

    shop: ShopData
    rules: RankingRules
    fresh: FreshEvents
    loaded_at: datetime

    def user_vector(self, user_id: str) -> NDArray[np.float32] | None:
        """The trained factors of a user; None without a row, or where they know too little."""
        if user_id in self.users_with_news:
            return None
        row = self.user_ids.user_index(user_id)
        return None if row is None else self.user_factors[row]

    def scores_of(self, vector: NDArray[np.float32] | None, history: History) -> UserScores:
        """What the model says of a user; nothing is computed before it is asked for."""
        group_of = self.shop.catalogue.variant_group
        events = history.resolved(group_of)
        groups = group_of if self.shop.catalogue.has_variants else None
        return UserScores(self.scorer, vector, events.items, events.confidences, groups)

    def history(self, user_id: str, erased_at: datetime | None = None) -> History:
        """What the snapshot knows of a user; nothing if it is older than the user's erasure."""
        if erased_at is not None and self.shop.snapshot_at <= erased_at:
            return NO_HISTORY
        return self.shop.histories.of(user_id)

    @cached_property
    def model_id_json(self) -> bytes:
        return to_json(self.model_id)

    @cached_property
    def weights(self) -> Mapping[str, float]:
        """The shop's blend where it has one, else the model's own."""
        if self.rules.weights is None:
            return self.scorer.weights
        return self.model_weights(self.rules.weights.normalised())

    @cached_property
    def behaviour_shares(self) -> Mapping[str, float]:
        """How the model itself divides what it learns of behaviour; the sum is 1."""
        parts = {name: self.scorer.weights.get(name, 0.0) for name in ("cf", "together")}
        total = sum(parts.values())
        return {name: part / total for name, part in parts.items()} if total else {"cf": 1.0}

    def model_weights(self, wanted: Mapping[str, float]) -> Mapping[str, float]:
        """Weights of the four signals of a request as weights of the model's signals."""
        others = {name: wanted[name] for name in ("content", "popularity", "quality")}
        shares = self.behaviour_shares.items()
        return {name: wanted["cf"] * share for name, share in shares} | others

    @cached_property
    def offered(self) -> NDArray[np.bool_]:
        """In the catalogue and not excluded by the shop."""
        offered = self.shop.catalogue.is_offered.copy()
        offered[self.shop.catalogue.indices(self.rules.excluded)] = False
        return offered

    @cached_property
    def showable(self) -> NDArray[np.bool_]:
        """Offered, and in stock where the shop hides what is not."""
        if self.rules.out_of_stock == "show":
            return self.offered
        return self.offered & ~self.shop.catalogue.out_of_stock

    @cached_property
    def hidden(self) -> NDArray[np.intp]:
        """The columns that are not shown to anybody."""
        return np.flatnonzero(~self.showable)

    @cached_property
    def pinned(self) -> NDArray[np.int32]:
        return self.shop.catalogue.indices(self.rules.pinned)

    @cached_property
    def fast_lane(self) -> FastLane | None:
        return open_lane(self)

    def category_lift(self, category: str) -> NDArray[np.float32]:
        """A large score for the products of a category, 0 for the others."""
        lift = np.zeros(len(self.shop.catalogue), dtype=np.float32)
        lift[self.shop.catalogue.categories.get(fold_label(category), [])] = CATEGORY_LIFT
        return lift


def load_bundle(
    installation: Installation,
    model_id: str,
    fresh: FreshEvents,
    rules: RankingRules,
    known: Bundle | None = None,
) -> Bundle:
    """Read and verify a model; the shop's data of `known` are used again if they are current.

    Raises RegistryError for an unknown id, ArtifactError for a damaged model or embedding,
    SnapshotError where the data cannot be read.
    """
    record = installation.registry.read().record(model_id)
    artifact = installation.models.load(record)
    shop = current_shop(installation, None if known is None else known.shop)
    item_factors, item_bias = _aligned(artifact.factors, shop.catalogue.product_ids)
    group_of = shop.catalogue.variant_group
    fold_in = FoldIn.from_model(item_factors, artifact.params, group_of)
    rows = representatives(item_factors, group_of)
    scorer = BlendedScorer.build(
        fold_in.item,
        None if item_bias is None else item_bias[rows],
        shop.blend.content,
        shop.blend.popularity,
        shop.quality,
        artifact.params,
        shop.blend.together_of(CoPurchase.from_params(artifact.params)),
    )
    if known is not None and known.shop is shop:
        scorer.take_over(known.scorer)
    _prepare(scorer, fold_in)
    return Bundle(
        model_id=model_id,
        model_type=record.model_type,
        user_ids=artifact.factors.ids,
        # A plain view of the mapped file: slicing a memmap costs more than the row.
        user_factors=np.asarray(artifact.factors.user),
        item_factors=item_factors,
        scorer=scorer,
        fold_in=fold_in,
        users_with_news=users_with_news(installation, record, artifact.metadata, shop),
        shop=shop,
        rules=rules,
        fresh=fresh,
        loaded_at=installation.now(),
    )


def current_shop(installation: Installation, known: ShopData | None) -> ShopData:
    """The current snapshot and embeddings, read anew only where they have changed."""
    snapshot = installation.snapshots.require_current()
    embeddings = installation.embeddings.current()
    version = None if embeddings is None else embeddings.version
    if known is not None and (known.snapshot_version, known.embedding_version) == (
        snapshot.version,
        version,
    ):
        return known
    return load_shop_data(snapshot, embeddings, installation.settings.service.popularity_days)


def _prepare(scorer: BlendedScorer, fold_in: FoldIn) -> None:
    """Compute what both keep for all requests, so that the first one does not wait for it."""
    one = np.zeros(1, dtype=np.int32), np.ones(1, dtype=np.float32)
    scorer.signals(fold_in.user_vector(*one), *one)
    _ = scorer.same_for_all


def empty_fresh_events(installation: Installation) -> FreshEvents:
    """A memory for events since the snapshot, with this installation's weights."""
    refresh = installation.settings.refresh
    return FreshEvents(refresh.kind_weights, refresh.unrated_base + refresh.unrated_quality)


def _aligned(
    factors: Factors, product_ids: list[str]
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """V and the biases in the order of the shop's products; unknown products get zeros."""
    if list(factors.ids.product_ids) == product_ids:
        return np.asarray(factors.item), factors.item_bias
    rows = np.array([_row(factors.ids, product_id) for product_id in product_ids])
    known = rows >= 0
    item = np.zeros((len(rows), factors.width), dtype=np.float32)
    item[known] = factors.item[rows[known]]
    if factors.item_bias is None:
        return item, None
    bias = np.full(len(rows), factors.item_bias.min(), dtype=np.float32)
    bias[known] = factors.item_bias[rows[known]]
    return item, bias


def _row(ids: IdMap, product_id: str) -> int:
    index = ids.item_index(product_id)
    return -1 if index is None else index
