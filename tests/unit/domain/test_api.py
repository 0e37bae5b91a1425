import pytest
from pydantic import ValidationError

from viecomrec.domain.api import RecommendRequest


@pytest.mark.parametrize(("given", "inside"), [(12, "12"), ("12", "12"), ("sku-ữ", "sku-ữ")])
def test_an_id_may_be_a_string_or_an_integer(given, inside):
    assert RecommendRequest(user_id=given).user_id == inside


@pytest.mark.parametrize("given", ["", "x" * 10_000, 1.5, True, None, 2**70, ["a"]])
def test_an_id_of_another_kind_or_of_10_kb_is_refused(given):
    with pytest.raises(ValidationError):
        RecommendRequest(user_id=given)


@pytest.mark.parametrize("topk", [0, -1, 101, 10**9, "10", 1.0])
def test_topk_is_an_integer_from_1_to_100(topk):
    with pytest.raises(ValidationError):
        RecommendRequest(user_id=1, topk=topk)


def test_a_misspelt_field_is_refused_instead_of_ignored():
    with pytest.raises(ValidationError, match="exclude_sen"):
        RecommendRequest(user_id=1, exclude_sen=False)
