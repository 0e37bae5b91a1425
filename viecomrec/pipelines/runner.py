"""How every pipeline runs: one at a time, on record, with an alert when it fails."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

import structlog

from viecomrec.domain.results import PipelineResult, Status
from viecomrec.errors import VieComRecError, disk_full

log = structlog.get_logger()

FAILURES = (Status.FAILED, Status.ROLLED_BACK)


class Tracker(Protocol):
    """What the runner needs of the ledger; the guide's PipelineTracker has it."""

    def start_run(self, pipeline_name: str, config: dict[str, Any]) -> str: ...

    def complete_run(self, run_id: str, result: dict[str, Any]) -> None: ...

    def fail_run(self, run_id: str, error_message: str) -> None: ...


class HeldLock(Protocol):
    @property
    def acquired(self) -> bool: ...


def run_pipeline(
    name: str,
    work: Callable[[], PipelineResult],
    *,
    tracker: Tracker,
    lock: AbstractContextManager[HeldLock],
    send_alert: Callable[[str, str, str, dict[str, Any]], None],
    config: dict[str, Any],
    resolve_alert: Callable[[str], None] = lambda _name: None,
) -> PipelineResult:
    """Run `work` under the pipeline's lock and return what it says of itself.

    A second run at the same time is skipped. An error of ours, or a full disk, becomes a failed
    result, a row in the ledger and an alert; any other error gets the same record and is raised
    again, since it is a defect whose trace a person must see. A returned failure counts as a
    failure. A run that ends well ends the pipeline's open incident.
    """
    with lock as held:
        if not held.acquired:
            return PipelineResult(status=Status.SKIPPED, message="Already running")
        run_id = tracker.start_run(name, config)
        log.info("run started", pipeline=name, run_id=run_id)
        try:
            result = work().model_copy(update={"run_id": run_id})
            if result.status not in FAILURES:
                tracker.complete_run(run_id, result.as_json())
        except VieComRecError as error:
            _record_failure(name, run_id, str(error), tracker, send_alert)
            return PipelineResult(status=Status.FAILED, message=str(error), run_id=run_id)
        except BaseException as error:
            full = disk_full(error)
            said = full or f"{type(error).__name__}: {error}"
            _record_failure(name, run_id, said, tracker, send_alert)
            if full is None:
                raise
            return PipelineResult(status=Status.FAILED, message=full, run_id=run_id)
        if result.status in FAILURES:
            message = result.message or "failed without a message"
            _record_failure(name, run_id, message, tracker, send_alert)
        else:
            resolve_alert(name)
        log.info("run ended", pipeline=name, run_id=run_id, status=result.status.value)
        return result


def _record_failure(
    name: str,
    run_id: str,
    message: str,
    tracker: Tracker,
    send_alert: Callable[[str, str, str, dict[str, Any]], None],
) -> None:
    log.error("run failed", pipeline=name, run_id=run_id, error=message)
    tracker.fail_run(run_id, message)
    send_alert(name, "error", message, {"run_id": run_id})
