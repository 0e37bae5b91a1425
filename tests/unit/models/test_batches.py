import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from viecomrec.models.batches import STEP, batches_by_length, padded_batch, padded_length


@given(st.lists(st.integers(0, 300), max_size=60), st.integers(1, 600))
def test_every_text_is_in_exactly_one_batch_padded_to_its_own_length(lengths, budget):
    seen: list[int] = []
    for length, positions in batches_by_length(lengths, budget):
        assert all(padded_length(lengths[at]) == length for at in positions)
        assert len(positions) == 1 or len(positions) * length <= budget
        seen.extend(positions.tolist())
    assert sorted(seen) == list(range(len(lengths)))


def test_the_longest_come_first():
    order = [length for length, _ in batches_by_length([3, 200, 40], 1000)]
    assert order == sorted(order, reverse=True)


@given(st.integers(0, 500))
def test_every_row_keeps_at_least_one_padding_token(n_tokens):
    assert n_tokens < padded_length(n_tokens) <= n_tokens + STEP


def test_padding_is_masked():
    ids, mask = padded_batch([[5, 6], [7, 8, 9]], 4, pad_id=1)
    np.testing.assert_array_equal(ids, [[5, 6, 1, 1], [7, 8, 9, 1]])
    np.testing.assert_array_equal(mask, [[1, 1, 0, 0], [1, 1, 1, 0]])
