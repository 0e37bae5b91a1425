"""The full refresh written plainly in pandas, as a peer: the same rules, the same seven files."""

# ruff: noqa: SLF001 - the peer works with the very same patterns

import hashlib
import json
import pickle
import re
import unicodedata
from base64 import urlsafe_b64encode
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix, save_npz

from viecomrec.adapters.scorers import ScorerStore
from viecomrec.domain import comment_trust as rules
from viecomrec.domain.split import is_validation_user
from viecomrec.models.comment_quality import NgramScorer

ZONE = "Asia/Ho_Chi_Minh"
LETTERS = r"[^\W\d_]"


def refresh_with_pandas(project: Path) -> None:
    published, out = project / "data/published_data", project / "pandas"
    out.mkdir(exist_ok=True)
    rows = read_reviews(published / "data_reviews_purchase.csv")
    rows = score(rows, project)
    rows = identify_and_resolve(rows)
    products = read_products(published, rows)
    rows = split(index(rows, products), products)
    write(rows, products, out)


def read_reviews(path: Path) -> pd.DataFrame:
    header = pd.read_csv(path, nrows=0).columns
    said = "comment" if "comment" in header else "processed_comment"
    columns = ["user_id", "product_id", "rating", "cmt_date", said]
    raw = pd.read_csv(path, dtype=str, usecols=columns)
    rows = pd.DataFrame(
        {
            "user_id": raw["user_id"].str.strip(),
            "product_id": raw["product_id"].str.strip(),
            "rating": pd.to_numeric(raw["rating"].str.strip(), errors="coerce"),
            "at": pd.to_datetime(
                raw["cmt_date"].str.strip(), format="%Y-%m-%d %H:%M:%S", errors="coerce"
            ),
        }
    )
    good = (
        rows["user_id"].fillna("").ne("")
        & rows["product_id"].fillna("").ne("")
        & rows["user_id"].str.len().le(120)
        & rows["product_id"].str.len().le(120)
        & rows["rating"].between(1, 5)
        & rows["at"].notna()
        & rows["at"].dt.year.between(1990, 2100)
    )
    rows = rows[good].copy()
    rows["at"] = rows["at"].dt.tz_localize(ZONE, ambiguous=True).dt.tz_convert("UTC")
    comment = raw.loc[good, said].fillna("").str.slice(0, 20_000)
    comment = comment.map(lambda text: unicodedata.normalize("NFC", text))
    rows["comment"] = comment.str.replace(r"[\s\x00-\x1f]+", " ", regex=True).str.strip()
    return rows


def score(rows: pd.DataFrame, project: Path) -> pd.DataFrame:
    scorers = project / "artifacts/scorers"
    stored = ScorerStore(scorers, scorers / "current.json", lambda: None).current()
    texts = rows["comment"].drop_duplicates()
    quality = NgramScorer(stored.fitted, stored.version).score(texts.tolist())
    quality = np.where(texts == "", quality, quality * trust(texts)).astype(np.float32)
    rows["comment_quality"] = rows["comment"].map(dict(zip(texts, quality, strict=True)))
    return rows


def trust(texts: pd.Series) -> pd.Series:
    text = texts.str.lower().str.replace("_", " ")
    unpronounceable = rules._UNPRONOUNCEABLE.replace(r"\p{L}", LETTERS)
    letters = text.str.replace(r"[\W\d_]+", "", regex=True).str.len()
    rest = text.str.replace(unpronounceable, "", regex=True)
    rest = rest.str.replace(r"[\W\d_]+", "", regex=True).str.len()
    readable = (1 - 3 * (letters - rest) / letters.clip(lower=1)).clip(rules.LOWEST, 1)
    stretched = np.where(text.str.contains(rules._STRETCHED), 0.6, 1.0)
    advert = np.where(_contains(text, rules._LINK), 0.5, 1.0)
    use = np.where(_contains(text, f"{rules._FOR_COINS}|{rules._NOT_USED}"), 0.4, 1.0)
    spaced = (" " + text + " ").str.replace(r"[\W_]+", "  ", regex=True)
    words = spaced.str.count(f"{LETTERS}+") - spaced.str.count(rules._SAYS_LITTLE)
    much = np.sqrt(words / rules._ENOUGH_WORDS).clip(0.3, 1)
    said = spaced.str.count(rules._PROPERTY)
    about = np.sqrt((said + 0.5) / (rules._ENOUGH_PROPERTIES + 0.5)).clip(None, 1)
    return (readable * stretched * advert * use * much * about).astype(np.float32)


def _contains(text: pd.Series, pattern: str) -> pd.Series:
    compiled = re.compile(pattern)
    return text.map(lambda one: bool(compiled.search(one)))


def identify_and_resolve(rows: pd.DataFrame) -> pd.DataFrame:
    second = rows["at"].astype("int64") // (10**9 if rows["at"].dt.unit == "ns" else 10**6)
    if rows["at"].dt.unit == "s":
        second = rows["at"].astype("int64")
    content = (
        rows["user_id"]
        + "\x1f"
        + rows["product_id"]
        + "\x1f"
        + second.astype(str)
        + "\x1f"
        + rows["comment"]
    )
    rows["event_id"] = content.map(
        lambda text: urlsafe_b64encode(
            hashlib.blake2b(text.encode(), digest_size=9).digest()
        ).decode()
    )
    rows["second"] = second
    rows["group_id"] = rows["user_id"] + "@" + second.astype(str)
    rows["text_id"] = np.where(
        rows["comment"] == "", 0, pd.util.hash_array(rows["comment"].to_numpy())
    )
    rows = rows.drop(columns="comment").drop_duplicates("event_id", keep="first")
    rows = rows.sort_values(["at", "event_id"], ascending=[False, True])
    rows = rows.drop_duplicates(["group_id", "product_id"], keep="first")
    rows["kind"] = "review"
    rows["confidence"] = (rows["rating"] + rows["comment_quality"]).astype(np.float32)
    rows["is_positive"] = rows["rating"] >= 4
    return rows.sort_values(["user_id", "at", "product_id", "event_id"], ignore_index=True)


def read_products(published: Path, rows: pd.DataFrame) -> pd.DataFrame:
    products = pd.read_csv(published / "data_product.csv", dtype=str).drop_duplicates("product_id")
    attributes = pd.read_csv(published / "data_product_attribute.csv", dtype=str)
    products = products.merge(
        attributes.drop_duplicates("product_id"),
        on="product_id",
        how="left",
        suffixes=("", "_more"),
    )
    unknown = sorted(set(rows["product_id"]) - set(products["product_id"]))
    products = pd.concat([products, pd.DataFrame({"product_id": unknown})], ignore_index=True)
    products["item_index"] = np.arange(len(products), dtype=np.int32)
    products["variant_group"] = (
        products["product_id"].map(variant_groups(rows)).fillna(products["product_id"])
    )
    return products


def variant_groups(rows: pd.DataFrame) -> dict[str, str]:
    said = rows[rows["text_id"] != 0]
    review = ["user_id", "at", "text_id"]
    repeated = said[said.duplicated(review, keep=False)]
    pairs = repeated.merge(repeated, on=review, suffixes=("_a", "_b"))
    pairs = pairs[pairs["product_id_a"] < pairs["product_id_b"]]
    shared = pairs.groupby(["product_id_a", "product_id_b"]).size()
    n_reviews = said["product_id"].value_counts()
    parent: dict[str, str] = {}

    def root(node: str) -> str:
        while parent.setdefault(node, node) != node:
            node = parent[node]
        return node

    for (a, b), n in shared.items():
        if n >= 2 and n >= 0.5 * min(n_reviews[a], n_reviews[b]):
            low, high = sorted((root(a), root(b)))
            parent[high] = low
    return {node: root(node) for node in parent}


def index(rows: pd.DataFrame, products: pd.DataFrame) -> pd.DataFrame:
    first = rows.groupby(["user_id", "product_id"])["at"].min().reset_index()
    first = first.sort_values(["user_id", "at"])
    enough = first.groupby("user_id").nth(1).set_index("user_id")["at"]
    liked = rows[rows["is_positive"]].groupby("user_id")["at"].min()
    both = pd.concat([enough.rename("enough"), liked.rename("liked")], axis=1).dropna()
    trainable = both.max(axis=1).rename("trainable_at").reset_index()
    trainable = trainable.sort_values(["trainable_at", "user_id"], ignore_index=True)
    trainable["user_index"] = np.arange(len(trainable))
    rows["user_index"] = rows["user_id"].map(trainable.set_index("user_id")["user_index"])
    items = products.set_index("product_id")
    rows["item_index"] = rows["product_id"].map(items["item_index"])
    rows["variant_group"] = rows["product_id"].map(items["variant_group"])
    return rows


def split(rows: pd.DataFrame, products: pd.DataFrame) -> pd.DataFrame:  # noqa: ARG001
    own = rows[rows["user_index"].notna()].copy()
    own["review"] = np.where(
        own["text_id"] != 0, own["text_id"], own["item_index"].astype("uint64")
    )
    first_seen = own.groupby(["user_index", "variant_group"])["second"].transform("min")
    own["is_new"] = own["second"] == first_seen
    all_new = own.groupby(["user_index", "second", "review"])["is_new"].transform("all")
    first_event = own.groupby("user_index")["second"].transform("min")
    targets = own[all_new & (own["second"] > first_event) & own["is_positive"]]
    held = targets.groupby("user_index")["second"].max()
    names = own.drop_duplicates("user_index").set_index("user_index")["user_id"]
    validates = names.loc[held.index].map(lambda user: is_validation_user(user, 30))
    at_held = rows["user_index"].map(held)
    is_validation = rows["user_index"].map(validates).fillna(value=False).astype(bool)
    rows["part"] = np.select(
        [
            rows["user_index"].isna(),
            at_held.isna() | (rows["second"] < at_held),
            (rows["second"] == at_held) & is_validation,
            rows["second"] == at_held,
        ],
        ["cold", "train", "validation", "test"],
        "later",
    )
    return rows


def write(rows: pd.DataFrame, products: pd.DataFrame, out: Path) -> None:
    rows["user_index"] = rows["user_index"].astype("Int32")
    rows["at"] = rows["at"].dt.as_unit("us")
    rows["item_index"] = rows["item_index"].astype(np.int32)
    rows.drop(columns=["second", "variant_group"]).to_parquet(
        out / "interactions.parquet", compression="zstd", index=False
    )
    products.to_parquet(out / "products.parquet", compression="zstd", index=False)
    train = rows[rows["part"] == "train"].sort_values(
        ["user_index", "item_index", "at", "event_id"], ascending=[True, True, False, True]
    )
    cells = train.drop_duplicates(["user_index", "item_index"], keep="first")
    users = rows[rows["user_index"].notna()].drop_duplicates("user_index").sort_values("user_index")
    shape = (len(users), len(products))
    place = (cells["user_index"].astype(int).to_numpy(), cells["item_index"].to_numpy())
    confidence = csr_matrix((cells["confidence"].to_numpy(), place), shape=shape)
    liked = cells["is_positive"].to_numpy()
    binary = csr_matrix(
        (np.ones(liked.sum(), dtype=np.float32), (place[0][liked], place[1][liked])), shape=shape
    )
    save_npz(out / "X_train_confidence.npz", confidence, compressed=False)
    save_npz(out / "X_train_binary.npz", binary, compressed=False)
    user_ids, product_ids = users["user_id"].tolist(), products["product_id"].tolist()
    mappings = {
        "user_to_idx": {user: row for row, user in enumerate(user_ids)},
        "idx_to_user": dict(enumerate(user_ids)),
        "item_to_idx": {item: row for row, item in enumerate(product_ids)},
        "idx_to_item": dict(enumerate(product_ids)),
        "metadata": {"n_users": shape[0], "n_items": shape[1]},
    }
    (out / "user_item_mappings.json").write_text(json.dumps(mappings, ensure_ascii=False))
    positives = {
        row: set(binary.indices[binary.indptr[row] : binary.indptr[row + 1]].tolist())
        for row in range(shape[0])
    }
    (out / "user_pos_train.pkl").write_bytes(pickle.dumps(positives))
    per_user = rows.groupby("user_id").agg(
        n_events=("group_id", "nunique"), index=("user_index", "first"), last_at=("at", "max")
    )
    metadata = {
        user: {
            "n_events": int(n),
            "segment": "cold" if pd.isna(row) else "trainable",
            "last_at": last.isoformat(),
        }
        for user, n, row, last in per_user.itertuples()
    }
    (out / "user_metadata.pkl").write_bytes(pickle.dumps(metadata))
    statistics = {
        "ratings": rows["rating"].value_counts().to_dict(),
        "top_items": rows["product_id"].value_counts().head(20).to_dict(),
        "interactions_per_day": rows["at"].dt.strftime("%Y-%m-%d").value_counts().to_dict(),
        "interactions_per_user": per_user["n_events"].value_counts().to_dict(),
        "parts": rows["part"].value_counts().to_dict(),
    }
    (out / "data_stats.json").write_text(json.dumps(statistics))
