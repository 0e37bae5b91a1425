import polars as pl
import pytest

from viecomrec.domain.confidence import ConfidenceRule

RULE = ConfidenceRule(4, 3.0, 0.5, {"review": 1.0, "purchase": 1.0, "cart": 0.5, "view": 0.2})


def judged(kind, rating, quality=0.5):
    frame = pl.DataFrame(
        {"kind": [kind], "rating": [rating], "comment_quality": [quality]},
        schema={"kind": pl.String, "rating": pl.Float32, "comment_quality": pl.Float32},
    )
    return frame.select(RULE.confidence(), RULE.is_positive()).row(0)


@pytest.mark.parametrize("rating", [1.0, 2.0, 3.0, 4.0, 5.0])
@pytest.mark.parametrize("quality", [0.0, 1.0])
def test_a_review_has_rating_plus_quality_between_one_and_six(rating, quality):
    confidence, is_positive = judged("review", rating, quality)
    assert confidence == rating + quality
    assert 1 <= confidence <= 6
    assert is_positive == (rating >= 4)


@pytest.mark.parametrize(
    ("kind", "confidence", "is_positive"),
    [("purchase", 3.5, True), ("cart", 1.75, False), ("view", 0.7, False)],
)
def test_an_unrated_event_has_the_base_times_the_weight_of_its_kind(kind, confidence, is_positive):
    assert judged(kind, None) == (pytest.approx(confidence), is_positive)


def test_a_rated_purchase_is_judged_by_its_rating():
    assert judged("purchase", 2.0) == (2.5, False)
