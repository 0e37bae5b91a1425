import pickle

import numpy as np
import polars as pl
import pytest
from scipy.sparse import csr_array

from viecomrec.adapters import pickled_tables as pickles

LAST = "2025-01-04T00:00:00+00:00"


def test_entries_of_users_are_a_pickle_of_dicts_wherever_they_are_cut():
    users = pl.DataFrame(
        {
            "user_id": ["a", "người dùng", "x" * 120],
            "n_events": [1, 200, 70_000],
            "segment": ["cold", "trainable", "cold"],
            "last_at": [LAST] * 3,
        }
    )
    content, ends = pickles.metadata_entries(users)
    assert ends[-1] == len(content)
    kept = content[: ends[0]] + content[ends[1] :]
    loaded = pickle.loads(pickles.metadata_start() + kept + pickles.METADATA_END)
    assert loaded == {
        "a": {"n_events": 1, "segment": "cold", "last_at": LAST},
        "x" * 120: {"n_events": 70_000, "segment": "cold", "last_at": LAST},
    }


@pytest.mark.parametrize(
    "changed",
    [["b"], ["a"], ["c"], ["ab"], ["0"], ["z"], ["0", "a", "ab", "ac", "c", "d", "z"], []],
    ids=str,
)
@pytest.mark.parametrize("known", [["a", "b", "c"], [], ["I1\n", "a+00:00u", "b}(", "người"]])
def test_entries_put_into_others_are_those_of_all_users_together(known, changed):
    def entries(n_events):
        users = [{"user_id": user, "n_events": n_events[user]} for user in sorted(n_events)]
        table = pl.DataFrame(users, schema={"user_id": pl.String, "n_events": pl.Int64})
        return pickles.metadata_entries(
            table.with_columns(segment=pl.lit("cold"), last_at=pl.lit(LAST))
        )

    before, _ = entries(dict.fromkeys(known, 1))
    fresh = [
        (user, entries({user: 22})[0], next((one for one in sorted(known) if one >= user), None))
        for user in changed
    ]
    expected, _ = entries(dict.fromkeys(known, 1) | dict.fromkeys(changed, 22))
    assert pickles.with_entries(before, fresh) == expected


def test_positives_are_sets_of_columns_of_the_rows_that_have_some():
    dense = np.zeros((70_000, 300), dtype=np.float32)
    dense[0, [1, 299]] = dense[3, 0] = dense[69_999, 256] = 1
    assert pickle.loads(pickles.pickled_positives(csr_array(dense))) == {
        0: {1, 299},
        3: {0},
        69_999: {256},
    }


def test_nobody_with_a_positive_pair_is_an_empty_dict():
    empty = csr_array((2, 3), dtype=np.float32)
    assert pickle.loads(pickles.pickled_positives(empty)) == {}
