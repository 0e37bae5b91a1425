"""Pictures as SVG text; colours come from classes of the style sheet, never from inline styles."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

WIDTH = 1000
TRACK_HEIGHT = 22
NARROWEST_MARK = 3


@dataclass(frozen=True)
class Mark:
    """Something on a line of time; `start` and `end` are shares of the line in [0, 1]."""

    start: float
    end: float
    kind: str
    title: str


def track(marks: Sequence[Mark], label: str) -> Markup:
    """One line of a timeline; what happened is told by colour and by the title of each mark."""
    parts = [
        Markup('<rect class="mark {}" x="{}" y="2" width="{}" height="18" rx="2">{}</rect>').format(
            one.kind,
            _place(one.start),
            max(NARROWEST_MARK, _place(one.end) - _place(one.start)),
            _title(one.title),
        )
        for one in marks
    ]
    return _svg(WIDTH, TRACK_HEIGHT, "track", label, parts)


def columns(values: Sequence[tuple[float, str, str]], label: str) -> Markup:
    """Columns from left to right: (height, class, title); the highest fills the picture."""
    highest = max((height for height, _, _ in values), default=0) or 1
    step = WIDTH / max(len(values), 1)
    parts = [
        _rect(
            css,
            index * step + step * 0.1,
            100 - 96 * height / highest,
            step * 0.8,
            96 * height / highest,
            title,
        )
        for index, (height, css, title) in enumerate(values)
    ]
    return _svg(WIDTH, 100, "columns", label, parts)


def stacked(periods: Sequence[tuple[str, Mapping[str, float]]], label: str) -> Markup:
    """One column per period, divided by shares that add up to 1; classes are the keys."""
    step = WIDTH / max(len(periods), 1)
    parts = []
    for index, (name, shares) in enumerate(periods):
        top = 100.0
        for key, share in shares.items():
            top -= 100 * share
            title = f"{name}: {key} {100 * share:.1f} %"
            parts.append(
                _rect(
                    f"part-{key}", index * step + step * 0.08, top, step * 0.84, 100 * share, title
                )
            )
    return _svg(WIDTH, 100, "columns", label, parts)


def bar(share: float, css: str, label: str) -> Markup:
    """One horizontal bar that fills `share` of its width."""
    filled = WIDTH * min(max(share, 0.0), 1.0)
    return _svg(WIDTH, 12, "bar", label, [_rect(css, 0, 0, filled, 12, label)])


def signed_bar(value: float, furthest: float, label: str) -> Markup:
    """A bar from the middle: to the right above the average, to the left below."""
    half = WIDTH / 2
    length = half * min(abs(value) / (furthest or 1), 1.0)
    start = half if value >= 0 else half - length
    parts = [
        _rect("above" if value >= 0 else "below", start, 1, length, 10, label),
        Markup('<line class="axis" x1="{0}" x2="{0}" y1="0" y2="12"/>').format(half),
    ]
    return _svg(WIDTH, 12, "bar", label, parts)


def interval(low: float, middle: float, high: float, label: str) -> Markup:
    """A value with its interval on a line that holds zero."""
    furthest = max(abs(low), abs(high), 1e-9) * 1.1
    left, right = min(-0.15 * furthest, low * 1.1), furthest
    place = _scale(left, right)
    parts = [
        Markup('<line class="axis" x1="{0}" x2="{0}" y1="0" y2="24"/>').format(place(0.0)),
        _rect("band", place(low), 8, place(high) - place(low), 8, label),
        Markup('<line class="dot" x1="{0}" x2="{0}" y1="3" y2="21"/>').format(place(middle)),
    ]
    return _svg(WIDTH, 24, "interval", label, parts)


def noise(value: float, band: tuple[float, float] | None, threshold: float, label: str) -> Markup:
    """What was measured against what chance alone gives, and the threshold."""
    marks = [value, threshold, 0.0, *(band or ())]
    margin = (max(marks) - min(marks) or 1.0) * 0.08
    place = _scale(min(marks) - margin, max(marks) + margin)
    parts = []
    if band is not None:
        parts.append(
            _rect("noise", place(band[0]), 6, max(4, place(band[1]) - place(band[0])), 20, "")
        )
    parts += [
        Markup('<line class="threshold" x1="{0}" x2="{0}" y1="0" y2="32"/>').format(
            place(threshold)
        ),
        Markup('<line class="dot" x1="{0}" x2="{0}" y1="3" y2="29"/>').format(place(value)),
    ]
    return _svg(WIDTH, 32, "interval", label, parts)


def _scale(left: float, right: float) -> Callable[[float], float]:
    def place(value: float) -> float:
        return round(WIDTH * (value - left) / (right - left), 1)

    return place


def _place(share: float) -> float:
    return round(WIDTH * min(max(share, 0.0), 1.0), 1)


def _rect(css: str, x: float, y: float, width: float, height: float, title: str) -> Markup:
    return Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}">{}</rect>').format(
        css,
        round(x, 2),
        round(y, 2),
        round(max(width, 0), 2),
        round(max(height, 0), 2),
        _title(title),
    )


def _title(text: str) -> Markup:
    return Markup("<title>{}</title>").format(text) if text else Markup("")


def _svg(width: int, height: int, css: str, label: str, parts: Sequence[Markup]) -> Markup:
    return Markup(
        '<svg class="{}" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" '
        'aria-label="{}">{}</svg>'
    ).format(css, width, height, escape(label), Markup("").join(parts))
