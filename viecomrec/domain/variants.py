"""Which products are variants of one another, told from the reviews that shops repeat on each."""

from collections.abc import Iterable

import polars as pl

from viecomrec.domain import columns as c
from viecomrec.domain.totals import KEY, MEASURE, TOTALS_SCHEMA, N, of_measure

MIN_SHARED_REVIEWS = 2
MIN_SHARE = 0.5
"""People paste one sentence under different products of an order. Variants share most of their
reviews, so a pair needs two shared ones and half of the reviews of the rarer product."""

REVIEWS, SHARED = "reviews", "shared_reviews"
_SEPARATOR = "\x1f"


def variant_evidence(interactions: pl.DataFrame) -> pl.DataFrame:
    """Totals: the reviews of each product, and those that each pair of products shares.

    `interactions` are in the canonical order.
    """
    commented = interactions.select(
        c.USER_ID, c.AT, c.TEXT_ID, c.PRODUCT_ID, _event=pl.col(c.GROUP_ID).rle_id()
    ).filter(pl.col(c.TEXT_ID) != 0)
    reviews = commented.group_by(pl.col(c.PRODUCT_ID).alias(KEY)).len(N)
    pairs = _shared_reviews(commented)
    return pl.concat(
        table.select(pl.lit(measure).alias(MEASURE), pl.col(KEY), pl.col(N).cast(TOTALS_SCHEMA[N]))
        for measure, table in ((REVIEWS, reviews), (SHARED, pairs))
    )


def variant_groups(totals: pl.DataFrame, product_ids: pl.Series) -> pl.Series:
    """For each product the smallest id of its group: variants have equal ones, others their own."""
    reviews = of_measure(totals, REVIEWS)
    shared = {tuple(pair.split(_SEPARATOR)): n for pair, n in of_measure(totals, SHARED).items()}
    variants = [
        (a, b)
        for (a, b), n in shared.items()
        if n >= MIN_SHARED_REVIEWS and n >= MIN_SHARE * min(reviews[a], reviews[b])
    ]
    representative = connected_components(variants)
    return product_ids.replace(representative) if representative else product_ids


def _shared_reviews(commented: pl.DataFrame) -> pl.DataFrame:
    """Pairs a < b of products under one review, as one key, and how many reviews they share."""
    review = (c.USER_ID, c.AT, c.TEXT_ID)
    # Rows of one review are rows of one event: only events of several rows are looked at.
    several = commented.filter(pl.len().over("_event") > 1)
    repeated = several.filter(pl.len().over(review) > 1).select(*review, c.PRODUCT_ID)
    pair = pl.concat_str(c.PRODUCT_ID, f"{c.PRODUCT_ID}_b", separator=_SEPARATOR)
    return (
        repeated.join(repeated, on=review, suffix="_b")
        .filter(pl.col(c.PRODUCT_ID) < pl.col(f"{c.PRODUCT_ID}_b"))
        .group_by(pair.alias(KEY))
        .len(N)
    )


def connected_components(edges: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Name of each node's component: its smallest member (union-find with path halving)."""
    parent: dict[str, str] = {}

    def root(node: str) -> str:
        parent.setdefault(node, node)
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for a, b in edges:
        low, high = sorted((root(a), root(b)))
        parent[high] = low
    return {node: root(node) for node in parent}
