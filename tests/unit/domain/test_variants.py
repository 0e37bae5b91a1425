from tests.unit.domain.test_split import content, interaction
from viecomrec.domain.variants import connected_components


def groups(rows):
    return content(rows).products["variant_group"].to_list()


def test_products_that_share_their_reviews_are_variants():
    rows = [interaction(user, p, 1, text=9) for user in "abc" for p in (2, 1)]
    assert groups(rows) == ["p0", "p1", "p1", "p3", "p4", "p5"]


def test_one_pasted_sentence_makes_no_variants():
    rows = [interaction("a", p, 1, text=9) for p in (1, 2)]
    assert groups(rows)[1:3] == ["p1", "p2"]


def test_a_few_shared_reviews_among_many_make_no_variants():
    shared = [interaction(user, p, 1, text=9) for user in "ab" for p in (1, 2)]
    own = [interaction(f"u{n}", p, 2, text=100 * n + p) for n in range(5) for p in (1, 2)]
    assert groups(shared + own)[1:3] == ["p1", "p2"]


def test_empty_text_never_makes_variants():
    rows = [interaction(user, p, 1, text=0) for user in "abc" for p in (1, 2)]
    assert groups(rows)[1:3] == ["p1", "p2"]


def test_components_are_named_after_their_smallest_member():
    assert connected_components([("c", "b"), ("d", "c"), ("x", "y")]) == {
        "b": "b",
        "c": "b",
        "d": "b",
        "x": "x",
        "y": "x",
    }
