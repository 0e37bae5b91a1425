from datetime import UTC, datetime, timedelta

from viecomrec.service.console.recent import Recent

NOW = datetime(2026, 1, 31, 8, 0, tzinfo=UTC)
LASTS = timedelta(seconds=15)


def test_a_value_is_worked_out_once_while_it_lasts():
    kept, values = Recent(LASTS), iter(range(9))
    assert kept.get(lambda: next(values), NOW) == 0
    assert kept.get(lambda: next(values), NOW + LASTS - timedelta(seconds=1)) == 0
    assert kept.get(lambda: next(values), NOW + LASTS) == 1


def test_a_clock_that_was_set_back_does_not_keep_a_value_for_ever():
    kept, values = Recent(LASTS), iter(range(9))
    kept.get(lambda: next(values), NOW)
    assert kept.get(lambda: next(values), NOW - timedelta(hours=1)) == 1


def test_after_a_change_it_is_worked_out_again():
    kept, values = Recent(LASTS), iter(range(9))
    kept.get(lambda: next(values), NOW)
    kept.forget()
    assert kept.get(lambda: next(values), NOW) == 1
