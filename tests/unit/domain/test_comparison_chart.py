"""The picture is valid SVG, to scale, and safe with any name."""

from xml.etree import ElementTree as ET

from viecomrec.domain.comparison_chart import Bar, comparison_chart

SVG = "{http://www.w3.org/2000/svg}"


def test_bars_are_to_scale_and_names_are_text():
    chart = comparison_chart(
        "Sữa rửa mặt <b>", [Bar("popularity", 0.2, 0.1), Bar("als & co", 0.4, 0.3, 0.25, 0.35)]
    )
    tree = ET.fromstring(chart)
    widths = [float(bar.get("width")) for bar in tree.findall(f"{SVG}rect")[1:]]
    ndcg, recall, ndcg_best, recall_best = widths
    assert abs(recall / recall_best - 0.5) < 0.01
    assert abs(ndcg / ndcg_best - 1 / 3) < 0.01
    assert max(widths) <= 720
    assert next(text.text for text in tree.findall(f"{SVG}text")) == "Sữa rửa mặt <b>"
    assert len(tree.findall(f"{SVG}path")) == 1


def test_a_chart_of_zeros_is_a_chart():
    ET.fromstring(comparison_chart("nothing", [Bar("popularity", 0, 0)]))
