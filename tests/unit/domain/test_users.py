from tests.unit.domain.test_split import content, interaction
from viecomrec.domain.users import trainable_users, user_metadata


def trainable(rows):
    return content(rows).space.users["user_id"].to_list()


def test_row_order_is_the_instant_of_becoming_trainable_then_the_user_id():
    rows = [
        *(interaction("late", product, 9 + product) for product in (0, 1)),
        *(interaction("b", product, 1 + product) for product in (0, 1)),
        *(interaction("a", product, 1 + product) for product in (0, 1)),
    ]
    assert trainable(rows) == ["a", "b", "late"]


def test_the_instant_is_the_later_of_the_second_product_and_the_first_positive():
    rows = [
        interaction("u", 0, 1, rating=2.0),
        interaction("u", 1, 2, rating=2.0),
        interaction("u", 0, 5, rating=4.0),
        interaction("v", 0, 3),
        interaction("v", 1, 4),
    ]
    users = trainable_users(content(rows).interactions, 2)
    assert users["user_id"].to_list() == ["v", "u"]
    assert [at.day for at in users["trainable_at"]] == [5, 6]


def test_later_events_never_move_a_row():
    rows = [interaction(user, product, 1 + product) for user in "ab" for product in (0, 1)]
    before = trainable(rows)
    rows += [interaction("b", 2, 30), interaction("a", 0, 31, rating=1.0)]
    rows += [interaction("c", product, 40) for product in (0, 1)]
    assert trainable(rows) == [*before, "c"]


def test_the_same_product_twice_is_one_product():
    assert trainable([interaction("u", 0, 1), interaction("u", 0, 2)]) == []


def test_metadata_counts_events_and_names_the_segment():
    rows = [interaction("t", 0, 1), interaction("t", 1, 1), interaction("cold", 0, 3)]
    assert sorted(user_metadata(content(rows).interactions).rows()) == [
        ("cold", 1, "cold", "2025-01-04T00:00:00+00:00"),
        ("t", 1, "trainable", "2025-01-02T00:00:00+00:00"),
    ]


def test_a_higher_minimum_is_respected():
    rows = content([interaction("u", product, product) for product in range(3)]).interactions
    assert trainable_users(rows, 3).height == 1
    assert trainable_users(rows, 4).is_empty()
