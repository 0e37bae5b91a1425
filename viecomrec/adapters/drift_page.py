"""The drift report as one HTML page with pictures: no script, nothing loaded from elsewhere."""

import itertools
from collections.abc import Callable
from html import escape

from viecomrec.domain.drift import NoiseBand
from viecomrec.domain.drift_report import DriftReport, TopProduct, verdict

WIDTH = 720
BAR_HEIGHT, ROW_HEIGHT = 12, 34
LEFT, RIGHT = 250, 70
CHART_HEIGHT = 220
MAX_NAME = 34

STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:760px;margin:2rem auto;padding:0 1rem;color:#222}
h1{font-size:1.5rem;margin:0}h2{font-size:1.15rem;margin:2rem 0 .2rem}
p{margin:.2rem 0}.vi{color:#555}.verdict{padding:.8rem 1rem;border-radius:8px;margin:1rem 0}
.calm{background:#e7f3ea}.changed{background:#fdecd8}small{color:#666}
svg{width:100%;height:auto}text{font:12px system-ui,sans-serif;fill:#333}
.usual{fill:#b9c2cc}.now{fill:#1f6fb2}.new{fill:#d9730d}.band{fill:#e3ebf3}
.line{fill:none;stroke:#1f6fb2;stroke-width:2}.axis{stroke:#999}
"""

LEGEND = (
    "<p><small>Grey: usual. Blue: this week. Orange: new among the most popular. "
    "Xám: thường lệ. Xanh: tuần này. Cam: mới vào nhóm phổ biến.</small></p>"
)

VIETNAMESE = {
    "changed": "đã thay đổi",
    "within chance": "trong mức ngẫu nhiên",
    "as usual": "như thường lệ",
    "too little to compare": "chưa đủ dữ liệu để so sánh",
}


def render(report: DriftReport) -> str:
    """The whole page; everything that comes from the shop's data is escaped."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width">'
        f"<title>Drift report {escape(report.timestamp)}</title><style>{STYLE}</style></head><body>"
        f"{_head(report)}{_rates(report)}{_products(report)}{_ratings(report)}"
        "</body></html>\n"
    )


def _head(report: DriftReport) -> str:
    look = "changed" if report.drift_detected else "calm"
    vietnamese = (
        "Cửa hàng đã thay đổi rõ rệt. Nên huấn luyện lại mô hình."
        if report.drift_detected
        else "Không có thay đổi nào ngoài mức ngẫu nhiên."
    )
    return (
        f"<h1>{escape(report.timestamp)}</h1>"
        f'<div class="verdict {look}"><p><b>{escape(report.summary)}.</b></p>'
        f'<p class="vi">{vietnamese}</p></div>'
        f"<p><small>The week {_period(report.recent_start, report.recent_end)} is compared with "
        f"{_period(report.baseline_start, report.baseline_end)}. "
        f"Newest event: {report.newest_event_age_days:.0f} days old. If the change is the new "
        "normal: <code>python -m automation.drift_detection --update-baseline</code></small></p>"
    )


def _period(start: object, end: object) -> str:
    return f"{str(start)[:10]} to {str(end)[:10]}"


def _title(english: str, vietnamese: str, state: str, detail: str) -> str:
    return (
        f"<h2>{english}: {state}</h2>"
        f'<p class="vi">{vietnamese}: {VIETNAMESE[state]}</p><p><small>{escape(detail)}</small></p>'
    )


# --- events a week -----------------------------------------------------------------------
def _rates(report: DriftReport) -> str:
    rate = report.interaction_rate
    detail = f"{rate.change_rate:+.0%} against the usual week; {_chance(rate.noise_band, '+.0%')}"
    title = _title("Events a week", "Số lượt tương tác mỗi tuần", verdict(rate), detail)
    return title + _line_chart(report.weekly_events, rate.baseline_weekly, rate.noise_band)


def _line_chart(events: tuple[int, ...], usual: float, band: NoiseBand | None) -> str:
    # Weeks before the shop's first event would only look like a fall.
    counts = tuple(itertools.dropwhile(lambda count: count == 0, events))
    highest = max((*counts, usual * (1 + band.high) if band else 0, 1))
    step = (WIDTH - LEFT / 3) / max(len(counts) - 1, 1)

    def x(index: int) -> float:
        return LEFT / 3 + index * step * 0.95

    def y(value: float) -> float:
        return CHART_HEIGHT - 20 - value / highest * (CHART_HEIGHT - 45)

    shapes = [_band_shape(band, usual, y)] if band else []
    points = " ".join(f"{x(i):.1f},{y(count):.1f}" for i, count in enumerate(counts))
    shapes.append(f'<polyline class="line" points="{points}"/>')
    for index, count in enumerate(counts):
        look = "new" if index == len(counts) - 1 else "now"
        shapes.append(f'<circle class="{look}" cx="{x(index):.1f}" cy="{y(count):.1f}" r="4"/>')
    if counts:
        last = len(counts) - 1
        shapes.append(
            f'<text x="{x(last):.1f}" y="{y(counts[last]) - 9:.1f}" text-anchor="end">'
            f"this week: {counts[last]:,}</text>"
        )
    shapes.append(f'<text x="0" y="{y(usual):.1f}">usual {usual:,.0f}</text>')
    return _svg(CHART_HEIGHT, shapes, "Events of the last weeks; the shaded band is chance")


def _band_shape(band: NoiseBand, usual: float, y: Callable[[float], float]) -> str:
    top, bottom = y(usual * (1 + band.high)), y(usual * (1 + band.low))
    return (
        f'<rect class="band" x="{LEFT / 3:.0f}" y="{top:.1f}" width="{WIDTH}" '
        f'height="{bottom - top:.1f}"/>'
    )


# --- products ----------------------------------------------------------------------------
def _products(report: DriftReport) -> str:
    popularity = report.popularity_distribution
    detail = (
        f"{popularity.jaccard_similarity:.0%} of the products in both top lists are the same; "
        f"{_chance(popularity.noise_band, '.0%')}"
    )
    title = _title("Most popular products", "Sản phẩm phổ biến nhất", verdict(popularity), detail)
    highest = max((max(p.baseline_share, p.recent_share) for p in report.top_products), default=1)
    rows = [
        _pair_of_bars(
            row,
            _label(product),
            (product.baseline_share, product.recent_share),
            highest,
            is_new=product.is_new,
        )
        for row, product in enumerate(report.top_products)
    ]
    return title + _svg(ROW_HEIGHT * len(rows) + 10, rows, "Share of events of each product")


def _label(product: TopProduct) -> str:
    name = product.name if len(product.name) <= MAX_NAME else product.name[: MAX_NAME - 1] + "…"
    mark = "NEW " if product.is_new else "GONE " if product.is_dropped else ""
    return mark + name


# --- ratings -----------------------------------------------------------------------------
def _ratings(report: DriftReport) -> str:
    rating = report.rating_distribution
    detail = (
        f"total difference {rating.total_difference:.3f}, threshold {rating.threshold:g}; "
        f"{_chance(rating.noise_band, '.3f')}"
    )
    title = _title("Stars", "Số sao đánh giá", verdict(rating), detail)
    rows = [
        _pair_of_bars(
            row,
            f"{stars} stars",
            (rating.baseline_shares[stars - 1], rating.recent_shares[stars - 1]),
            1.0,
            is_new=False,
        )
        for row, stars in enumerate((5, 4, 3, 2, 1))
    ]
    return title + _svg(ROW_HEIGHT * len(rows) + 10, rows, "Share of each number of stars") + LEGEND


# --- shapes ------------------------------------------------------------------------------
def _pair_of_bars(
    row: int, label: str, shares: tuple[float, float], highest: float, *, is_new: bool
) -> str:
    top = row * ROW_HEIGHT + 6
    room = WIDTH - LEFT - RIGHT
    parts = [f'<text x="0" y="{top + BAR_HEIGHT + 4}">{escape(label)}</text>']
    looks = ("usual", "new" if is_new else "now")
    for index, (share, look) in enumerate(zip(shares, looks, strict=True)):
        y = top + index * (BAR_HEIGHT + 1)
        width = share / highest * room if highest else 0
        parts.append(
            f'<rect class="{look}" x="{LEFT}" y="{y}" width="{width:.1f}" height="{BAR_HEIGHT}"/>'
            f'<text x="{LEFT + width + 6:.1f}" y="{y + BAR_HEIGHT - 2}">{share:.1%}</text>'
        )
    return "".join(parts)


def _svg(height: int, shapes: list[str], what: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(what)}">'
        f"<title>{escape(what)}</title>{''.join(shapes)}</svg>"
    )


def _chance(band: NoiseBand | None, form: str) -> str:
    if band is None:
        return "too few events to say what chance alone does"
    return f"chance alone lies between {band.low:{form}} and {band.high:{form}}"
