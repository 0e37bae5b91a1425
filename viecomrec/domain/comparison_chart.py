"""The comparison of models as a picture: an SVG that any browser shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, ROW, LEFT, RIGHT, TOP = 720, 26, 190, 70, 64
COLOURS = ("#2f6f4f", "#9aa5b1")


@dataclass(frozen=True)
class Bar:
    """One way of making lists; `low` and `high` are the interval of its NDCG, where known."""

    name: str
    recall: float
    ndcg: float
    low: float | None = None
    high: float | None = None


def comparison_chart(title: str, bars: Sequence[Bar]) -> str:
    """Two bars for each: NDCG@10 above, Recall@10 below, on one scale from zero."""
    longest = max([*(max(bar.recall, bar.ndcg, bar.high or 0) for bar in bars), 1e-9])
    scale = (WIDTH - LEFT - RIGHT) / longest
    height = TOP + len(bars) * (2 * ROW + 12) + 12
    rows = "".join(
        _rows(bar, TOP + place * (2 * ROW + 12), scale) for place, bar in enumerate(bars)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'font-family="sans-serif" font-size="13" role="img">'
        f"<title>{escape(title)}</title>"
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>'
        f'<text x="16" y="28" font-size="16">{escape(title)}</text>'
        f'<text x="16" y="48" fill="{COLOURS[0]}">NDCG@10</text>'
        f'<text x="96" y="48" fill="#5b6670">Recall@10</text>'
        f"{rows}</svg>\n"
    )


def _rows(bar: Bar, y: float, scale: float) -> str:
    parts = [f'<text x="{LEFT - 10}" y="{y + ROW}" text-anchor="end">{escape(bar.name)}</text>']
    for value, colour, top in ((bar.ndcg, COLOURS[0], y), (bar.recall, COLOURS[1], y + ROW)):
        end = LEFT + value * scale
        parts.append(
            f'<rect x="{LEFT}" y="{top + 3:.1f}" width="{value * scale:.1f}" height="{ROW - 6}" '
            f'fill="{colour}"/><text x="{end + 6:.1f}" y="{top + 18:.1f}">{value:.4f}</text>'
        )
    if bar.low is not None and bar.high is not None:
        middle = y + ROW / 2
        parts.append(
            f'<path d="M{LEFT + bar.low * scale:.1f} {middle}H{LEFT + bar.high * scale:.1f}" '
            f'stroke="#111111" stroke-width="2"/>'
        )
    return "".join(parts)
