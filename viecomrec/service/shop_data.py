"""What the service knows of the shop: one snapshot and the text vectors, in memory."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import csr_array

from viecomrec.adapters.snapshots import Snapshot
from viecomrec.domain.catalogue import Catalogue, Product
from viecomrec.domain.embeddings import ProductEmbeddings
from viecomrec.domain.histories import Histories
from viecomrec.domain.interactions import strength
from viecomrec.domain.ranking import popularity_scores, smoothed_means, standardise
from viecomrec.domain.user_lookup import UserLookup
from viecomrec.models.blend_inputs import BlendInputs, blend_inputs
from viecomrec.models.variants import VariantGroups
from viecomrec.service.explanations import Explainer
from viecomrec.service.rendering import ProductFragments
from viecomrec.service.search_index import SearchIndex

PRODUCT_COLUMNS = ("product_id", "name", "brand", "category", "price", "rating", "sold", "in_stock")
TEXT_COLUMNS = ("name", "brand", "category", "description", "feature", "ingredient", "skin_type")


@dataclass(frozen=True)
class ShopData:
    """One snapshot as the service uses it; row r of everything is item index r."""

    snapshot_version: str
    snapshot_at: datetime
    embedding_version: str | None
    catalogue: Catalogue
    histories: Histories
    blend: BlendInputs
    """What people chose and what texts say, per variant group, defined as in the training."""

    quality: NDArray[np.float32]
    """Smoothed mean of rating + comment quality, per variant group."""

    recently_popular: NDArray[np.float32]
    """Calibrated; of the last weeks before the newest event, per product."""

    text_vectors: NDArray[np.float32] | None
    """Unit rows per product, or zero without a text; None before the first embedding."""

    index: SearchIndex
    explainer: Explainer
    fragments: ProductFragments


def load_shop_data(
    snapshot: Snapshot, embeddings: ProductEmbeddings | None, popularity_days: int
) -> ShopData:
    """Read a snapshot once; about 40 bytes an event stay in memory."""
    snapshot_at = datetime.fromisoformat(snapshot.manifest.created_at_utc)
    products = snapshot.products()
    catalogue = _catalogue(products)
    interactions = snapshot.interactions().filter(pl.col("item_index").is_not_null())
    histories = _histories(interactions)
    group_of = catalogue.variant_group
    positive = interactions.filter(pl.col("is_positive"))
    ever = _people(positive, group_of)
    recent = _people(_last_days(positive, popularity_days, snapshot_at), group_of)
    quality = _quality(interactions, group_of)
    vectors = None if embeddings is None else embeddings.aligned(catalogue.product_ids)
    content = None if vectors is None else VariantGroups(group_of).content(vectors)
    blend = blend_inputs(_positives(positive, group_of), content)
    popularity = standardise(np.log1p(blend.popularity))[group_of]
    return ShopData(
        snapshot_version=snapshot.version,
        snapshot_at=snapshot_at,
        embedding_version=None if embeddings is None else embeddings.version,
        catalogue=catalogue,
        histories=histories,
        blend=blend,
        quality=quality,
        recently_popular=standardise(popularity_scores(recent, ever)),
        text_vectors=vectors,
        index=SearchIndex([products[name].to_list() for name in TEXT_COLUMNS]),
        explainer=Explainer(group_of, blend.together, blend.content, popularity),
        fragments=ProductFragments(catalogue.products, popularity, standardise(quality)[group_of]),
    )


def _catalogue(frame: pl.DataFrame) -> Catalogue:
    columns = [frame[name].to_list() for name in PRODUCT_COLUMNS]
    return Catalogue(
        products=[Product(*values) for values in zip(*columns, strict=True)],
        is_offered=frame["in_catalogue"].to_numpy().astype(np.bool_),
        variant_group=VariantGroups.from_names(frame["variant_group"].to_list()).group_of,
    )


def _histories(interactions: pl.DataFrame) -> Histories:
    ordered = interactions.select(
        "user_id", "at", "item_index", "confidence", strength().alias("strength")
    ).sort("user_id", "at", "item_index")
    users = ordered.group_by("user_id", maintain_order=True).len()
    return Histories(
        users=UserLookup.build(users["user_id"].to_list()),
        offsets=np.concatenate([[0], users["len"].to_numpy().cumsum()]).astype(np.int64),
        items=ordered["item_index"].to_numpy().astype(np.int32),
        confidences=ordered["confidence"].to_numpy().astype(np.float32),
        strengths=ordered["strength"].to_numpy().astype(np.int8),
    )


def _last_days(events: pl.DataFrame, days: int, until: datetime) -> pl.DataFrame:
    """Counted back from the newest event: a shop whose export is old has popular products too.

    A row dated after `until`, when the snapshot was made, is a typing error and not the newest.
    """
    past = events.filter(pl.col("at") <= until)
    return past.filter(pl.col("at") > pl.col("at").max() - timedelta(days=days))


def _people(events: pl.DataFrame, group_of: NDArray[np.int32]) -> NDArray[np.int64]:
    """How many different users chose each item or a variant of it."""
    group = pl.Series("group", group_of[events["item_index"].to_numpy()])
    pairs = events.select("user_id").with_columns(group).unique()
    people = np.bincount(pairs["group"].to_numpy(), minlength=_n_groups(group_of))
    return people[group_of].astype(np.int64)


def _positives(positive: pl.DataFrame, group_of: NDArray[np.int32]) -> csr_array:
    """Who of the trainable users chose what: users x variant groups, 1 where chosen."""
    trainable = positive.filter(pl.col("user_index").is_not_null())
    group = pl.Series("group", group_of[trainable["item_index"].to_numpy()])
    pairs = trainable.select("user_index").with_columns(group).unique(maintain_order=True)
    users, groups = pairs["user_index"].to_numpy(), pairs["group"].to_numpy()
    shape = (int(users.max(initial=-1)) + 1, _n_groups(group_of))
    return csr_array((np.ones(len(users), dtype=np.float32), (users, groups)), shape=shape)


def _quality(interactions: pl.DataFrame, group_of: NDArray[np.int32]) -> NDArray[np.float32]:
    rated = interactions.filter(pl.col("rating").is_not_null())
    groups = group_of[rated["item_index"].to_numpy()]
    n_groups = _n_groups(group_of)
    sums = np.bincount(groups, weights=rated["confidence"].to_numpy(), minlength=n_groups)
    return smoothed_means(sums.astype(np.float64), np.bincount(groups, minlength=n_groups))


def _n_groups(group_of: NDArray[np.int32]) -> int:
    return int(group_of.max(initial=-1)) + 1
