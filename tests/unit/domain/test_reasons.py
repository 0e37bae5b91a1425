import pytest

from viecomrec.domain.api import Reason
from viecomrec.domain.reasons import MATCHES_QUERY, PINNED, POPULAR, SAME_TASTE, Evidence, sentences


@pytest.mark.parametrize("reason", [Reason.ALSO_BOUGHT, Reason.SIMILAR_TEXT])
def test_a_reason_names_the_other_product_in_both_languages(reason):
    for sentence in sentences(Evidence(reason, 1, 2), "Kem chống nắng"):
        assert "Kem chống nắng" in sentence


def test_one_customer_is_not_plural():
    english, _ = sentences(Evidence(Reason.ALSO_BOUGHT, 1, 1), "x")
    assert english.startswith("1 customer who")


def test_every_fixed_reason_says_something_else():
    said = {sentences(evidence, None) for evidence in (POPULAR, PINNED, SAME_TASTE, MATCHES_QUERY)}
    assert len(said) == 4
