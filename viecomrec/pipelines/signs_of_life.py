"""Let somebody outside know when a run starts and how it ends, so that silence is noticed."""

from collections.abc import Callable

from viecomrec.adapters.dead_man_switch import Sign
from viecomrec.domain.results import PipelineResult, Status


def with_signs(
    pipeline: str,
    work: Callable[[], PipelineResult],
    tell: Callable[[str, Sign, str], object],
) -> Callable[[], PipelineResult]:
    """`work` as it was, with a sign before it and one after it, whichever way it ends."""

    def signalling() -> PipelineResult:
        tell(pipeline, Sign.START, "")
        try:
            result = work()
        except BaseException as error:
            tell(pipeline, Sign.FAILURE, str(error))
            raise
        failed = result.status in {Status.FAILED, Status.ROLLED_BACK}
        tell(pipeline, Sign.FAILURE if failed else Sign.SUCCESS, result.message or "")
        return result

    return signalling
