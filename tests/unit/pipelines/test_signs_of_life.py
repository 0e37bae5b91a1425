import pytest

from viecomrec.adapters.dead_man_switch import Sign
from viecomrec.domain.results import PipelineResult, Status
from viecomrec.pipelines.signs_of_life import with_signs


def signs_of(work):
    told = []
    run = with_signs("data_refresh", work, lambda *sign: told.append(sign))
    try:
        run()
    finally:
        assert {pipeline for pipeline, _, _ in told} == {"data_refresh"}
    return [sign for _, sign, _ in told]


@pytest.mark.parametrize("status", [Status.SUCCESS, Status.SKIPPED, Status.CRITICAL])
def test_a_run_that_did_its_work_is_a_success(status):
    assert signs_of(lambda: PipelineResult(status=status)) == [Sign.START, Sign.SUCCESS]


@pytest.mark.parametrize("status", [Status.FAILED, Status.ROLLED_BACK])
def test_a_run_that_says_it_failed_is_a_failure(status):
    assert signs_of(lambda: PipelineResult(status=status)) == [Sign.START, Sign.FAILURE]


def test_a_run_that_breaks_is_a_failure_and_the_error_goes_on():
    told = []

    def work():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        with_signs("x", work, lambda _pipeline, sign, _message: told.append(sign))()
    assert told == [Sign.START, Sign.FAILURE]
