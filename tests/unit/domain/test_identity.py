import pytest
from hypothesis import given
from hypothesis import strategies as st

from viecomrec.domain.identity import IdMap

ids = st.lists(st.text(min_size=1, max_size=5), unique=True, max_size=20)


@given(users=ids, products=ids)
def test_every_id_comes_back_from_its_index(users, products):
    id_map = IdMap(tuple(users), tuple(products))
    assert [id_map.user_ids[id_map.user_index(user)] for user in users] == users
    assert [id_map.product_ids[id_map.item_index(item)] for item in products] == products


@given(users=ids, data=st.data())
def test_old_indices_never_move_when_users_are_appended(users, data):
    cut = data.draw(st.integers(0, len(users)))
    before = IdMap(tuple(users[:cut]), ())
    after = before.with_users(users[cut:])
    assert all(after.user_index(user) == before.user_index(user) for user in users[:cut])
    assert after.n_users == len(users)


def test_an_unknown_id_is_none_and_never_an_error():
    id_map = IdMap(("u",), ("p",))
    assert id_map.user_index("nobody") is None
    assert id_map.item_index("nothing") is None
    assert id_map.item_indices(["nothing", "p"]) == [0]


def test_a_repeated_id_is_refused():
    with pytest.raises(ValueError, match="appears twice"):
        IdMap(("u", "u"), ())
