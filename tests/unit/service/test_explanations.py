import numpy as np
import pytest
from scipy.sparse import csr_array

from viecomrec.domain.api import Reason
from viecomrec.domain.reasons import POPULAR, SAME_TASTE, Evidence
from viecomrec.service import explanations
from viecomrec.service.explanations import Explainer

TOGETHER = csr_array(
    np.array(
        [[0, 3, 0, 0, 0], [3, 0, 0, 0, 1], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0], [0, 1, 0, 0, 0]],
        dtype=np.float32,
    )
)
TEXT = np.array([[1, 0], [0, 1], [0.9, np.sqrt(1 - 0.81)], [0, 0], [0, 1]], dtype=np.float32)
POPULARITY = np.array([0, 0, 0, 2, 0], dtype=np.float32)


@pytest.fixture(params=["kept whole", "row by row"], autouse=True)
def size(request, monkeypatch):
    """The same reasons for a catalogue whose pairs are not all kept."""
    monkeypatch.setattr(explanations, "ROWS_AT_ONCE", 2)
    if request.param == "row by row":
        monkeypatch.setattr(explanations, "DENSE_UP_TO", 1)


def explain(item, history, text=TEXT):
    explainer = Explainer(np.arange(5), TOGETHER, text, POPULARITY)
    return explainer.explain([item], np.array(history, dtype=np.int32))[0]


def test_the_reason_is_the_people_who_chose_both_before_the_text():
    assert explain(0, [2, 1]) == Evidence(Reason.ALSO_BOUGHT, 1, 3)


def test_of_several_products_the_one_most_people_chose_too_is_named():
    assert explain(1, [0, 4]) == Evidence(Reason.ALSO_BOUGHT, 0, 3)


def test_the_reason_is_the_text_where_nobody_chose_both():
    assert explain(2, [1, 0]) == Evidence(Reason.SIMILAR_TEXT, 0)


def test_popular_is_said_only_of_what_is_popular():
    assert explain(3, [0]) == POPULAR
    assert explain(2, [3], text=None) == SAME_TASTE


def test_somebody_without_a_history_is_shown_what_is_popular():
    assert explain(0, []) == POPULAR


def test_each_product_of_a_list_has_its_own_reason():
    explainer = Explainer(np.arange(5), TOGETHER, TEXT, POPULARITY)
    reasons = explainer.explain([1, 2, 3], np.array([0], dtype=np.int32))
    assert [one.reason for one in reasons] == [
        Reason.ALSO_BOUGHT,
        Reason.SIMILAR_TEXT,
        Reason.POPULAR,
    ]


def test_what_is_true_of_a_product_is_true_of_its_variants():
    explainer = Explainer(np.array([0, 1, 0, 1]), TOGETHER[:2, :2], TEXT[:2], POPULARITY[:4])
    reasons = explainer.explain([2], np.array([3], dtype=np.int32))
    assert reasons == [Evidence(Reason.ALSO_BOUGHT, 3, 3)]


def test_many_people_are_counted_exactly():
    together = csr_array(np.array([[0, 1_000_003], [1_000_003, 0]], dtype=np.float32))
    explainer = Explainer(np.arange(2), together, None, np.zeros(2, dtype=np.float32))
    reasons = explainer.explain([1], np.array([0], dtype=np.int32))
    assert reasons == [Evidence(Reason.ALSO_BOUGHT, 0, 1_000_003)]


def test_the_closest_of_two_texts_gives_the_reason_and_the_latest_of_equal_ones():
    text = np.array([[1, 0], [0.8, 0.6], [0.6, 0.8], [0.6, 0.8]], dtype=np.float32)
    nobody = csr_array((4, 4), dtype=np.float32)
    explainer = Explainer(np.arange(4), nobody, text, np.zeros(4, dtype=np.float32))
    assert explainer.explain([0], np.array([2, 1, 3], dtype=np.int32)) == [
        Evidence(Reason.SIMILAR_TEXT, 1)
    ]
    assert explainer.explain([0], np.array([2, 3], dtype=np.int32)) == [
        Evidence(Reason.SIMILAR_TEXT, 3)
    ]
