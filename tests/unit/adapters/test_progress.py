import structlog

from viecomrec.adapters.progress import progress


def test_without_a_terminal_a_line_comes_each_half_minute_with_rate_and_time_left():
    clock = iter([0.0, 10.0, 31.0, 40.0, 62.0])
    with (
        structlog.testing.capture_logs() as lines,
        progress("scoring", 310, clock=lambda: next(clock)) as advance,
    ):
        for _ in range(4):
            advance(31)
    assert [line["done"] for line in lines] == [62, 124]
    assert lines[0] == {
        "event": "scoring",
        "log_level": "info",
        "done": 62,
        "total": 310,
        "per_second": 2.0,
        "seconds_left": 124,
    }


def test_on_a_terminal_a_bar_shows_count_and_rate(monkeypatch):
    import io

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    with progress("scoring", 10) as advance:
        advance(10)
    assert "scoring" in screen.getvalue()
    assert "10/10" in screen.getvalue()
