import polars as pl
import pytest

from viecomrec.domain.checks import check_rows
from viecomrec.domain.event_rows import in_utc, rows_of_lines
from viecomrec.service.console.messages import twin_of
from viecomrec.service.console.words import Language


def rows(*instants):
    lines = [
        f'{{"user_id": "u", "product_id": "p", "rating": 5, "timestamp": "{at}"}}'
        for at in instants
    ]
    return rows_of_lines(lines, "f")


def checked(*instants):
    good, bad = check_rows(in_utc(rows(*instants), "Asia/Ho_Chi_Minh"), "iso", "UTC")
    return good["at"].dt.strftime("%d/%m %H:%M").to_list(), bad["at"].to_list()


def test_dates_of_a_file_mean_one_instant_for_ever():
    assert checked("2025-02-01T10:00:00", "2025-02-01T10:00:00Z") == (
        ["01/02 03:00", "01/02 10:00"],
        [],
    )


def test_mixed_formats_in_one_column_leave_the_minority_in_quarantine():
    good, bad = checked("01/02/2025 10:00", "02/02/2025 10:00", "2025-02-03 10:00", "hôm qua")
    assert good == ["01/02 03:00", "02/02 03:00"]
    assert bad == ["2025-02-03 10:00 (not in the format of its column)", "hôm qua"]


def test_names_are_found_by_alias_and_our_own_name_wins():
    line = '{"USERID": 1, "user_id": "u", "item_id": 7, "interaction_type": "view", "at": "x"}'
    row = rows_of_lines([line, "", "[1]", "{"], "f")
    assert row.select("row", "user_id", "product_id", "kind", "is_malformed").rows() == [
        (1, "u", "7", "view", False),
        (3, None, None, None, True),
        (4, None, None, None, True),
    ]


def test_a_kind_given_at_the_door_fills_only_rows_without_one():
    table = rows("2025-01-01", "2025-01-01").with_columns(kind=pl.Series([None, "cart"]))
    assert in_utc(table, "UTC", "purchase")["kind"].to_list() == ["purchase", "cart"]


def test_a_rating_may_have_the_decimal_comma_of_a_vietnamese_spreadsheet():
    """`so_sao` as Excel writes it where the comma is the decimal sign; two signs are no number."""
    raw = rows(*["2025-02-01"] * 6).with_columns(
        rating=pl.Series(["5,0", " 4,5 ", "3.5", "1,000", "4,5,0", "9,0"])
    )
    good, bad = check_rows(raw, "iso", "UTC")
    assert good["rating"].to_list() == [5.0, 4.5, 3.5, 1.0]
    assert bad["rule"].to_list() == ["rating_not_a_number", "rating_out_of_range"]
    assert bad["rating"].to_list() == ["4,5,0", "9,0"]


@pytest.mark.parametrize(
    "line",
    [
        "[" * 100_000,
        '{"user_id": {"id": 1}, "product_id": "p", "at": "2025-01-01"}',
        '{"user_id": "u", "product_id": ["p"], "at": "2025-01-01"}',
        '{"user_id": "u", "x": ' + "9" * 5000 + "}",
    ],
    ids=["deep", "object", "list", "huge number"],
)
def test_a_line_that_is_no_flat_object_is_malformed(line):
    _, bad = check_rows(in_utc(rows_of_lines([line], "f"), "UTC"), "iso", "UTC")
    assert bad["rule"].to_list() == ["row_malformed"]
    assert "not one JSON object of plain values" in bad["reason"][0]
    assert twin_of(bad["reason"][0], Language.VI)


def test_what_nobody_asks_for_may_have_a_structure():
    line = '{"user_id": "u", "product_id": "p", "at": "2025-01-01", "device": {"os": "ios"}}'
    assert rows_of_lines([line], "f")["is_malformed"].to_list() == [False]
