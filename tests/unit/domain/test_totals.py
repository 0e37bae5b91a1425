from datetime import timedelta

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.domain.test_split import START, content, interaction
from viecomrec.domain import totals as t
from viecomrec.domain.statistics import describe, span_of

rows = st.lists(
    st.builds(
        interaction,
        st.sampled_from(["a", "b", "c", "d"]),
        st.integers(0, 5),
        st.integers(0, 30),
        st.sampled_from([1.0, 4.0, 5.0]),
        st.integers(0, 3),
    ),
    min_size=1,
    max_size=25,
    unique_by=lambda row: row["event_id"],
)


@settings(max_examples=40)
@given(rows)
def test_totals_of_users_add_up_and_can_be_taken_out_again(rows):
    interactions = content(rows).interactions
    some = interactions.filter(pl.col("user_id").is_in(["a", "b"]))
    others = interactions.filter(~pl.col("user_id").is_in(["a", "b"]))
    whole = t.count(interactions, "UTC")
    parts = [t.count(part, "UTC") for part in (some, others) if part.height]
    assert t.combine(parts).equals(whole)
    if some.height and others.height:
        assert t.combine([whole], [parts[0]]).equals(parts[1])


def test_statistics_are_read_off_the_totals():
    made = content(
        [
            interaction("u", 0, 1, text=1),
            interaction("u", 1, 2, rating=2.0),
            interaction("v", 1, 2, rating=4.0),
        ]
    )
    span = span_of(made.interactions)
    said = describe(made.indexed.totals, made.products, made.held_out, span)
    assert said["n_interactions"] == 3
    assert said["interactions_per_user"] == {"mean": 1.5, "histogram": {"1": 1, "2": 1}}
    assert said["ratings"]["counts"] == {"1": 0, "2": 1, "3": 0, "4": 1, "5": 1}
    assert said["top_items"][0] == {"product_id": "p1", "n_interactions": 2}
    assert said["interactions_per_day"] == {"2025-01-02": 1, "2025-01-03": 2}
    assert (said["comment_share"], said["mean_comment_quality"]) == (0.333333, 0.5)
    assert span == (START + timedelta(days=1), START + timedelta(days=2))
