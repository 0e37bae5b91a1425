"""The tasks of `bench_accuracy.py`: what is fitted, what choices are made on, what is reported."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from scipy.sparse import csr_array
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfTransformer

from viecomrec.domain.matrices import HeldOut, TrainingMatrices
from viecomrec.models.trainer import TrainingData

REPOSITORY = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("VIECOMREC_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))


@dataclass(frozen=True)
class Task:
    """`choose` is what choices are made on; `report` is fitted and measured once at the end.

    The histories are those of the report's and of the choice's users, newest last.
    """

    name: str
    choose: TrainingData
    report: TrainingData
    k: int
    has_order: bool = False
    choose_by: str = "ndcg"

    @property
    def kinds_of_events(self) -> tuple[str, ...]:
        """What item-to-item models may learn from: likes, or everything that was touched."""
        matrices = self.choose.matrices
        has_others = matrices.confidence.nnz > matrices.binary.nnz
        return ("liked", "touched") if has_others else ("liked",)


def as_data(train: csr_array, users, items, *, validation, content=None) -> TrainingData:
    users, items = np.asarray(users, np.int32), np.asarray(items, np.int32)
    held_out = HeldOut(users, items, np.full(len(users), validation))
    return TrainingData(
        TrainingMatrices(train, csr_array(train > 0, dtype=np.float32)), held_out, content
    )


def matrix(users, items, shape, values=None) -> csr_array:
    values = np.ones(len(users), np.float32) if values is None else values
    return csr_array((np.asarray(values, np.float32), (users, items)), shape=shape)


def tiki(seed: int) -> Task:
    """One positive of each user with two items is held out by seed; 30 % of them validate."""
    frame = pl.read_csv(DATA / "tiki" / "interactions.csv.gz")
    n_items = int(frame["item_id"].max()) + 1
    frame = frame.filter(pl.col("item_id").n_unique().over("user_id") >= 2)
    _, users = np.unique(frame["user_id"].to_numpy(), return_inverse=True)
    items, values = frame["item_id"].to_numpy(), frame["value"].to_numpy().astype(np.float32)
    rng = np.random.default_rng(seed)
    lot = np.where(values >= 4, rng.random(len(users)), 9.0)
    order = np.lexsort((lot, users))
    first = order[np.append(True, np.diff(users[order]) != 0)]
    held = first[values[first] >= 4]
    kept = np.ones(len(users), bool)
    kept[held] = False
    shape = (int(users.max()) + 1, n_items)
    train = matrix(users[kept], items[kept], shape, values[kept])
    positive = kept & (values >= 4)
    both = TrainingMatrices(train, matrix(users[positive], items[positive], shape))
    is_validation = rng.random(len(held)) < 0.3
    held_out = HeldOut(users[held].astype(np.int32), items[held].astype(np.int32), is_validation)
    data = TrainingData(both, held_out, None)
    return Task(f"tiki_seed_{seed}", data, data, 10, choose_by="recall")


def beauty() -> Task:
    """S3-Rec's protocol: the last item is the test, the one before it validation."""
    lines = (DATA / "s3rec_beauty" / "Beauty.txt").read_text().splitlines()
    sequences = [np.array(line.split()[1:], dtype=np.int64) - 1 for line in lines]
    n_items = int(max(one.max() for one in sequences)) + 1
    content = beauty_texts(n_items)

    def part(left_out: int, validation: bool) -> TrainingData:
        histories = [one[: len(one) - left_out] for one in sequences]
        users = np.repeat(np.arange(len(sequences)), [len(one) for one in histories])
        # The value of an entry is its age: 1 for the newest, so that fold-in can weigh it.
        ages = np.concatenate([np.arange(len(one), 0, -1) for one in histories])
        age = matrix(users, np.concatenate(histories), (len(sequences), n_items), ages)
        targets = [one[len(one) - left_out] for one in sequences]
        return as_data(
            age, np.arange(len(sequences)), targets, validation=validation, content=content
        )

    return Task("beauty", part(2, True), part(1, False), 10, has_order=True)


def beauty_texts(n_items: int) -> np.ndarray:
    attributes = json.loads((DATA / "s3rec_beauty" / "Beauty_item2attributes.json").read_text())
    pairs = [(int(item) - 1, a) for item, listed in attributes.items() for a in listed]
    items, columns = np.array(pairs).T
    words = csr_array((np.ones(len(items)), (items, columns)), shape=(n_items, columns.max() + 1))
    return (
        TruncatedSVD(256, random_state=0)
        .fit_transform(TfidfTransformer().fit_transform(words))
        .astype(np.float32)
    )


@dataclass(frozen=True)
class PublishedSplit:
    """Users and items of the two parts, in the order of the files."""

    users: np.ndarray
    items: np.ndarray
    test: tuple[np.ndarray, np.ndarray]

    @classmethod
    def read(cls, folder: str) -> "PublishedSplit":
        return cls(*pairs_of(folder, "train.txt"), pairs_of(folder, "test.txt"))

    def task(self, name: str, k: int, validating: np.ndarray) -> Task:
        """Fitted without the pairs that validate to choose, and on all of them to report."""
        shape = tuple(
            int(max(a.max(), b.max())) + 1
            for a, b in zip((self.users, self.items), self.test, strict=True)
        )
        fitting = ~validating
        choose = as_data(
            matrix(self.users[fitting], self.items[fitting], shape),
            self.users[validating],
            self.items[validating],
            validation=True,
        )
        whole = matrix(self.users, self.items, shape)
        return Task(name, choose, as_data(whole, *self.test, validation=False), k)


def pairs_of(folder: str, file: str) -> tuple[np.ndarray, np.ndarray]:
    lines = (DATA / folder / file).read_text().splitlines()
    rows = [np.array(line.split(), dtype=np.int64) for line in lines]
    rows = [row for row in rows if len(row) > 1]
    users = np.concatenate([np.full(len(row) - 1, row[0]) for row in rows])
    return users, np.concatenate([row[1:] for row in rows])


def ml1m() -> Task:
    """UltraGCN's split; a random tenth of the training items validates."""
    split = PublishedSplit.read("ultragcn_ml1m_m2")
    validating = np.random.default_rng(0).random(len(split.users)) < 0.1
    return split.task("ml1m", 20, validating)


def gowalla() -> Task:
    """LightGCN's split; validation is made as that split was: a fifth of the items of a user.

    Of every fifth user, at least one item.
    """
    split = PublishedSplit.read("gowalla_lightgcn")
    counts = np.bincount(split.users)
    order = np.lexsort((np.random.default_rng(0).random(len(split.users)), split.users))
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order)) - (np.cumsum(counts) - counts)[split.users[order]]
    wanted = np.maximum(1, np.round(0.2 * counts[split.users]))
    return split.task("gowalla_a_fifth", 20, (split.users % 5 == 0) & (place < wanted))


TASKS = {
    "tiki_seed_2": lambda: tiki(2),
    "tiki_seed_3": lambda: tiki(3),
    "beauty": beauty,
    "ml1m": ml1m,
    "gowalla": gowalla,
}
