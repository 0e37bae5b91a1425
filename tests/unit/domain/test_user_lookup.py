import pytest
from hypothesis import given
from hypothesis import strategies as st

from viecomrec.domain import user_lookup
from viecomrec.domain.user_lookup import UserLookup


@given(st.lists(st.text(min_size=1, max_size=8), unique=True), st.text(max_size=8))
def test_it_answers_as_a_dictionary_does(user_ids, other):
    lookup = UserLookup.build(user_ids)
    known = {user_id: row for row, user_id in enumerate(user_ids)}
    assert [lookup.row(user_id) for user_id in user_ids] == list(range(len(user_ids)))
    assert lookup.row(other) == known.get(other)
    assert lookup.rows([other, *user_ids]).tolist() == [known.get(other, -1), *known.values()]
    assert len(lookup) == len(user_ids)


@pytest.mark.parametrize("same", [0, -7])
def test_users_of_equal_hash_are_told_apart(monkeypatch, same):
    monkeypatch.setattr(user_lookup, "hash", lambda _: same, raising=False)
    lookup = UserLookup.build(["an", "bình", "chi"])
    assert [lookup.row(user) for user in ("chi", "an", "bình", "dũng")] == [2, 0, 1, None]
    assert lookup.rows(["chi", "an", "bình", "dũng"]).tolist() == [2, 0, 1, -1]
