"""Pictures are well-formed SVG, true to their numbers, and escape what they are given."""

from xml.etree import ElementTree as ET

import pytest

from viecomrec.service.console import charts
from viecomrec.service.console.charts import Mark

HOSTILE = '"><script>alert(1)</script>'


def parse(picture):
    return ET.fromstring(str(picture))


def rects(picture):
    return [dict(one.attrib) for one in parse(picture).iter("rect")]


@pytest.mark.parametrize(
    "picture",
    [
        charts.track([Mark(0, 1, "ran", HOSTILE)], HOSTILE),
        charts.columns([(1.0, "success", HOSTILE)], HOSTILE),
        charts.stacked([(HOSTILE, {"5": 1.0})], HOSTILE),
        charts.bar(0.5, "ours", HOSTILE),
        charts.signed_bar(-1.0, 5.0, HOSTILE),
        charts.interval(0.1, 0.2, 0.3, HOSTILE),
        charts.noise(0.1, (0.0, 0.05), 0.1, HOSTILE),
    ],
)
def test_text_in_a_picture_is_escaped_and_read_to_the_blind(picture):
    assert "<script" not in picture
    assert parse(picture).attrib["role"] == "img"
    assert "alert(1)" in parse(picture).attrib["aria-label"]


def test_no_picture_has_inline_styles_which_the_policy_forbids():
    assert "style=" not in charts.columns([(1.0, "success", "x")], "x")


def test_a_mark_stands_where_its_time_is_and_is_never_too_thin_to_see():
    (one, thin) = rects(charts.track([Mark(0.5, 0.75, "ran", ""), Mark(0.1, 0.1, "ran", "")], "x"))
    assert (float(one["x"]), float(one["width"])) == (500, 250)
    assert float(thin["width"]) >= charts.NARROWEST_MARK


def test_columns_grow_with_their_value():
    low, high = rects(charts.columns([(1.0, "", ""), (4.0, "", "")], "x"))
    assert float(high["height"]) == pytest.approx(4 * float(low["height"]))


def test_stacked_shares_fill_the_column():
    parts = rects(charts.stacked([("2026-01", {"1": 0.25, "5": 0.75})], "x"))
    assert sum(float(part["height"]) for part in parts) == pytest.approx(100)


def test_a_signed_bar_leaves_the_middle_in_its_direction():
    (above,), (below,) = (rects(charts.signed_bar(sign * 2.5, 5, "x")) for sign in (1, -1))
    assert (float(above["x"]), float(above["width"])) == (500, 250)
    assert (float(below["x"]), float(below["width"])) == (250, 250)
    assert (above["class"], below["class"]) == ("above", "below")


@pytest.mark.parametrize("values", [[], [(0.0, "", "")]])
def test_nothing_to_show_is_an_empty_picture(values):
    assert parse(charts.columns(values, "x")).tag.endswith("svg")


@pytest.mark.parametrize(("value", "band", "threshold"), [(0, None, 0), (0.1, (0.1, 0.1), 0.1)])
def test_a_band_without_width_is_a_picture_too(value, band, threshold):
    assert parse(charts.noise(value, band, threshold, "x")).tag.endswith("svg")
