"""A small shop on disk, written through the real stores: snapshot, embeddings, models, registry.

Products of even rows are cleansers, of odd rows sunscreens; users of even rows buy cleansers,
the others sunscreens. So the right answers are known by construction.
"""

import json
import pickle
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from scipy.sparse import csr_array, save_npz

from viecomrec.bootstrap import Installation
from viecomrec.domain import snapshots as layout
from viecomrec.domain.factors import Factors
from viecomrec.domain.identity import IdMap
from viecomrec.domain.registry import ModelRecord
from viecomrec.paths import ProjectPaths
from viecomrec.settings import Settings

NOW = datetime(2026, 1, 31, 8, 0, tzinfo=UTC)
OLD_MODEL, NEW_MODEL = "als_20260130_v1", "als_20260131_v1"
TOKEN = "a-token-for-tests-only-0123456789"

N_TRAINABLE, N_PRODUCTS, N_FACTORS = 12, 24, 8
ONE_EVENT_USER = "khách lẻ"
OUT_OF_CATALOGUE = "p23"
OUT_OF_STOCK = "p5"
VARIANTS = ("p8", "p10")
BRANDS = ("Cocoon", "La Roche-Posay", "Hada Labo")


def write_installation(
    root: Path, *, desired: str | None = NEW_MODEL, without: Sequence[str] = ()
) -> Installation:
    """An installation with a snapshot, embeddings and two models, of which `desired` is live.

    The catalogue says nothing in the columns `without`.
    """
    (root / "config").mkdir(parents=True, exist_ok=True)
    installation = Installation(ProjectPaths(root), Settings(admin_token=TOKEN), lambda: NOW)
    write_snapshot(installation, without=without)
    write_embeddings(installation)
    write_model(installation, OLD_MODEL, seed=1)
    write_model(installation, NEW_MODEL, seed=2)
    if desired is not None:
        installation.registry.update(lambda registry: registry.desire(desired))
    return installation


def write_snapshot(
    installation: Installation,
    *,
    n_extra_products: int = 0,
    without: Sequence[str] = (),
    more_events: Sequence[tuple[str, int]] = (),
) -> None:
    """`more_events` are of (trainable user, product row), done after everything else."""
    n_products = N_PRODUCTS + n_extra_products
    installation.snapshots.publish(
        lambda folder: _write_snapshot_files(folder, n_products, without, more_events),
        {"raw": str(n_products)},
        NOW,
    )


def write_embeddings(installation: Installation) -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(0, 0.2, (N_PRODUCTS, 16)).astype(np.float32)
    vectors[np.arange(N_PRODUCTS), np.arange(N_PRODUCTS) % 2] += 1
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    installation.embeddings.publish(
        product_ids(),
        vectors,
        ["0" * 16] * N_PRODUCTS,
        described={"model": "for-tests", "space": "for-tests"},
        at=NOW,
    )


def write_model(
    installation: Installation,
    model_id: str,
    *,
    seed: int,
    reverse_products: bool = False,
    blend: dict[str, Any] | None = None,
) -> None:
    """Factors that know both tastes; the seed decides the order within a taste."""
    rng = np.random.default_rng(seed)
    item = rng.normal(0, 0.1, (N_PRODUCTS, N_FACTORS)).astype(np.float32)
    item[np.arange(N_PRODUCTS), np.arange(N_PRODUCTS) % 2] += 1
    item[10] = item[8]  # variants share their factors
    user = np.zeros((N_TRAINABLE, N_FACTORS), dtype=np.float32)
    for row in range(N_TRAINABLE):
        user[row] = item[trained_items(row)].mean(axis=0)
    order = slice(None, None, -1 if reverse_products else 1)
    ids = IdMap(tuple(user_ids()), tuple(product_ids()[order]))
    path = installation.models.save(
        model_id,
        "als",
        Factors(user, item[order], ids),
        params={
            "model_type": "als",
            "config": {"factors": N_FACTORS},
            "solver": SOLVER,
            **({} if blend is None else {"blend": blend}),
        },
        metrics={},
        metadata={"model_id": model_id},
    )
    record = ModelRecord(
        model_id=model_id,
        model_type="als",
        path=path,
        created_at_utc=NOW.isoformat(),
        snapshot_version=installation.snapshots.require_current().version,
        above_popularity=True,
    )
    installation.registry.update(lambda registry: registry.with_model(record))


SOLVER = {
    "factors": N_FACTORS,
    "regularization": 0.1,
    "iterations": 3,
    "alpha": 5.0,
    "unobserved_weight": 0.05,
    "regularization_exponent": 0.0,
    "content_scale": 0.0,
    "cold_threshold": 0,
    "seed": 42,
}


def user_ids() -> list[str]:
    return [f"u{row}" for row in range(N_TRAINABLE)]


def product_ids() -> list[str]:
    return [f"p{row}" for row in range(N_PRODUCTS)]


def trained_items(row: int) -> list[int]:
    """The three products of a trainable user, all of the user's taste; the last is held out."""
    taste = row % 2
    return [taste + 2 * ((row + step) % 10) for step in range(3)]


def _write_snapshot_files(
    folder: Path, n_products: int, without: Sequence[str], more: Sequence[tuple[str, int]]
) -> None:
    events = _events(more)
    events.write_parquet(folder / layout.INTERACTIONS)
    products = _products(n_products).with_columns(
        pl.when(pl.lit(False)).then(name).alias(name) for name in without
    )
    products.write_parquet(folder / layout.PRODUCTS)
    trained = events.filter(pl.col("part") == "train")
    pairs = (trained["user_index"].to_numpy(), trained["item_index"].to_numpy())
    shape = (N_TRAINABLE, n_products)
    confidence = csr_array((trained["confidence"].to_numpy(), pairs), shape=shape)
    save_npz(folder / layout.CONFIDENCE_MATRIX, confidence)
    save_npz(folder / layout.BINARY_MATRIX, csr_array(confidence > 0, dtype=np.float32))
    events.filter(pl.col("part").is_in(["validation", "test"])).select(
        "user_index", "item_index", (pl.col("part") == "validation").alias("is_validation")
    ).write_parquet(folder / layout.HELD_OUT)
    mappings = {
        "user_to_idx": {user: row for row, user in enumerate(user_ids())},
        "item_to_idx": {f"p{row}": row for row in range(n_products)},
    }
    (folder / layout.MAPPINGS).write_text(json.dumps(mappings), encoding="utf-8")
    counts = dict(events.group_by("user_id").len().iter_rows())
    metadata = {
        user: {"n_events": n, "segment": "trainable", "last_at": NOW.isoformat()}
        for user, n in counts.items()
    }
    (folder / layout.USER_METADATA).write_bytes(pickle.dumps(metadata))
    positives = {row: set(trained_items(row)[:2]) for row in range(N_TRAINABLE)}
    (folder / layout.USER_POSITIVES).write_bytes(pickle.dumps(positives))
    statistics = {
        "n_users": N_TRAINABLE,
        "n_items": n_products,
        "n_interactions": len(events),
        "comment_scorer": {"model": "for-tests", "version": "1", "degraded": False},
    }
    (folder / layout.STATISTICS).write_text(json.dumps(statistics), encoding="utf-8")


def _events(more: Sequence[tuple[str, int]]) -> pl.DataFrame:
    rows = [_event(user, item, NOW, "later", int(user[1:])) for user, item in more]
    for row, user in enumerate(user_ids()):
        for step, item in enumerate(trained_items(row)):
            held_out = "validation" if row % 3 == 0 else "test"
            part = held_out if step == 2 else "train"
            at = NOW - timedelta(days=40 - 10 * step, minutes=row)
            rows.append(_event(user, item, at, part, row))
    rows.append(_event(ONE_EVENT_USER, 1, NOW - timedelta(days=3), "cold", None))
    return pl.DataFrame(rows, schema=_EVENT_SCHEMA)


_EVENT_SCHEMA = {
    "event_id": pl.String,
    "group_id": pl.String,
    "user_id": pl.String,
    "product_id": pl.String,
    "at": pl.Datetime("us", "UTC"),
    "kind": pl.String,
    "rating": pl.Float32,
    "comment_quality": pl.Float32,
    "confidence": pl.Float32,
    "is_positive": pl.Boolean,
    "user_index": pl.Int32,
    "item_index": pl.Int32,
    "part": pl.String,
}


def _event(user: str, item: int, at: datetime, part: str, user_index: int | None) -> dict:
    return {
        "event_id": f"{user}-{item}",
        "group_id": f"{user}-{item}",
        "user_id": user,
        "product_id": f"p{item}",
        "at": at,
        "kind": "review",
        "rating": 4.0 + item % 5 / 4,
        "comment_quality": 0.5,
        "confidence": 4.5 + item % 5 / 4,
        "is_positive": True,
        "user_index": user_index,
        "item_index": item,
        "part": part,
    }


def _products(n_products: int) -> pl.DataFrame:
    kinds = ("Sữa rửa mặt", "Kem chống nắng")
    rows = range(n_products)
    return pl.DataFrame(
        {
            "product_id": [f"p{row}" for row in rows],
            "name": [f"{kinds[row % 2]} {BRANDS[row % 3]} số {row}" for row in rows],
            "brand": [BRANDS[row % 3] for row in rows],
            "category": [kinds[row % 2] for row in rows],
            "price": [100_000.0 + 10_000 * row for row in rows],
            "rating": [4.0 + row % 10 / 10 for row in rows],
            "sold": [10 * row for row in rows],
            "description": [f"{kinds[row % 2]} dịu nhẹ cho da nhạy cảm" for row in rows],
            "feature": [None] * n_products,
            "ingredient": [None] * n_products,
            "skin_type": ["Da dầu" if row % 4 < 2 else "Da khô" for row in rows],
            "image": [None] * n_products,
            "in_stock": [f"p{row}" != OUT_OF_STOCK for row in rows],
            "variant_group": ["p8" if f"p{row}" in VARIANTS else f"p{row}" for row in rows],
            "in_catalogue": [f"p{row}" != OUT_OF_CATALOGUE for row in rows],
        },
        schema_overrides={
            "sold": pl.Int64,
            "feature": pl.String,
            "ingredient": pl.String,
            "image": pl.String,
        },
    )
