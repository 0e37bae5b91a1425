"""Where an erasure that is carried out again ends."""

from datetime import UTC, datetime

import polars as pl
import pytest

from viecomrec.domain.erasure import UpTo, without_user

NOON = datetime(2025, 6, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "date", "is_spared"),
    [
        ("UTC", "2025-06-01 12:00:00", False),
        ("UTC", "2025-06-01 12:00:01", True),
        ("Asia/Ho_Chi_Minh", "2025-06-01 19:00:00", False),
        ("Asia/Ho_Chi_Minh", "2025-06-01 19:00:01", True),
        ("Asia/Ho_Chi_Minh", "2025-06-01T12:00:01Z", True),
        ("UTC", "hôm qua", False),
        ("UTC", None, False),
    ],
)
def test_only_what_is_surely_later_is_spared(zone, date, is_spared):
    dates = pl.Series([date, "2025-01-01"], dtype=pl.String)
    assert UpTo(NOON, zone).spares(dates.head(1), dates).to_list() == [is_spared]


def test_the_whole_column_decides_what_a_date_means():
    column = pl.Series(["02/05/2025 10:00", "31/12/2025 10:00", "30/12/2025 10:00"])
    assert UpTo(NOON, "UTC").spares(column.head(1), column).to_list() == [False]
    assert UpTo(NOON, "UTC").spares(column.tail(1), column).to_list() == [True]


def test_rows_of_others_stay_whenever_they_happened():
    rows = pl.DataFrame(
        {
            "user_id": ["u1", " u1 ", "u2", None],
            "at": ["2025-06-01", "2025-06-02", "2025-05-01", "2025-07-01"],
            "comment": ["", "", "u1", "of u1"],
        }
    )
    assert without_user(rows, "u1")["user_id"].to_list() == ["u2"]
    until = UpTo(NOON, "UTC")
    assert without_user(rows, "u1", until)["user_id"].to_list() == [" u1 ", "u2"]
