from datetime import UTC, datetime

import polars as pl
import pytest

from viecomrec.domain.dates import decide_format, parse

NOON = datetime(2023, 1, 7, 12, 0, tzinfo=UTC)


def parsed(text, date_format, zone="UTC"):
    return parse(pl.Series([text], dtype=pl.String), date_format, zone).item()


@pytest.mark.parametrize(
    ("text", "date_format"),
    [
        ("2023-01-07 12:00:00", "iso"),
        ("2023-01-07T12:00:00Z", "iso"),
        ("2023-01-07T19:00:00+07:00", "iso"),
        ("2023-01-07T19:00:00.000+0700", "iso"),
        ("2023/01/07 12:00", "iso"),
        ("07/01/2023 12:00:00", "day_first"),
        ("7/1/2023 12:00", "day_first"),
        ("07-01-2023 12:00:00", "day_first"),
        ("1673092800", "epoch_seconds"),
        ("1673092800000", "epoch_milliseconds"),
    ],
)
def test_each_format_is_recognised_and_parsed(text, date_format):
    assert decide_format(pl.Series([text, "?", None])) == date_format
    assert parsed(text, date_format) == NOON


def test_slashes_are_day_first_even_where_a_month_would_fit():
    assert parsed("02/03/2023", "day_first").month == 3
    assert parsed("13/25/2023", "day_first") is None


def test_a_time_without_offset_is_local_time_of_the_zone():
    assert parsed("2023-01-07 19:00:00", "iso", "Asia/Ho_Chi_Minh") == NOON
    assert parsed("2023-01-07 12:00:00Z", "iso", "Asia/Ho_Chi_Minh") == NOON


def test_a_repeated_local_time_is_its_first_occurrence_and_a_skipped_one_is_none():
    repeated = parsed("2024-11-03 01:30:00", "iso", "America/New_York")
    assert repeated == datetime(2024, 11, 3, 5, 30, tzinfo=UTC)
    assert parsed("2024-03-10 02:30:00", "iso", "America/New_York") is None


@pytest.mark.parametrize("text", ["2023-02-30", "hôm qua", "", "2023-13-01", "99"])
def test_what_is_no_date_is_none(text):
    assert parsed(text, "iso") is None


def test_the_majority_decides_and_the_others_do_not_parse():
    column = pl.Series(["01/02/2023", "02/02/2023", "2023-02-03"])
    assert decide_format(column) == "day_first"
    assert parsed("2023-02-03", "day_first") is None


def test_rows_of_the_common_shape_and_others_of_one_column_come_out_alike():
    column = pl.Series(["2023-01-07 12:00:00", "2023-01-07T12:00", None, "?", "2023/1/7 12:00"])
    assert parse(column, "iso", "UTC").to_list() == [NOON, NOON, None, None, NOON]
