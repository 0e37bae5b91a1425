import pytest

from viecomrec.adapters.retry import retry


@pytest.fixture
def waits(monkeypatch):
    seconds = []
    monkeypatch.setattr("time.sleep", seconds.append)
    return seconds


def failing(times, error=OSError):
    calls = []

    def operation():
        calls.append(1)
        if len(calls) <= times:
            raise error("no")
        return len(calls)

    return operation


def test_waits_before_attempts_two_and_three_are_60_and_120_seconds(waits):
    assert retry(max_attempts=3, delay=60, backoff=2)(failing(2))() == 3
    assert waits == [60, 120]


def test_the_first_attempt_does_not_wait(waits):
    assert retry()(failing(0))() == 1
    assert waits == []


def test_the_last_error_passes_unchanged_after_the_last_attempt(waits):
    with pytest.raises(OSError, match="no"):
        retry(max_attempts=2, delay=5)(failing(9))()
    assert waits == [5]


def test_an_error_of_another_kind_is_not_repeated(waits):
    with pytest.raises(ValueError, match="no"):
        retry(on=OSError)(failing(1, ValueError))()
    assert waits == []


def test_the_decorated_function_keeps_its_name():
    @retry()
    def unreliable_operation(): ...

    assert unreliable_operation.__name__ == "unreliable_operation"
