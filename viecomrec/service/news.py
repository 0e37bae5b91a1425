"""Which trained users have done something since the model was trained."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import polars as pl

from viecomrec.adapters.snapshots import Snapshot
from viecomrec.bootstrap import Installation
from viecomrec.domain.registry import ModelRecord
from viecomrec.errors import ArtifactStoreError, SnapshotError
from viecomrec.service.shop_data import ShopData


def users_with_news(
    installation: Installation, record: ModelRecord, metadata: Mapping[str, Any], shop: ShopData
) -> frozenset[str]:
    """Users of the shop's snapshot whose events the model's snapshot does not all hold.

    Where the model's snapshot was cleaned away, is damaged or out of reach, events after the
    training count as news.
    """
    if record.snapshot_version == shop.snapshot_version:
        return frozenset()
    now = _summary(installation.snapshots.open(shop.snapshot_version))
    try:
        then = _summary(installation.snapshots.open(record.snapshot_version))
    except (SnapshotError, ArtifactStoreError, OSError, pl.exceptions.PolarsError):
        trained_at = datetime.fromisoformat(metadata.get("trained_at_utc", record.created_at_utc))
        return frozenset(now.filter(pl.col("last_at") > trained_at)["user_id"])
    unchanged = ["user_id", "n_events", "last_at"]
    return frozenset(now.join(then, on=unchanged, how="anti")["user_id"])


def _summary(snapshot: Snapshot) -> pl.DataFrame:
    """Of each trainable user the number of events and the last instant."""
    return (
        snapshot.interactions()
        .filter(pl.col("user_index").is_not_null())
        .group_by("user_id")
        .agg(pl.len().alias("n_events"), pl.col("at").max().alias("last_at"))
    )
