"""Records of pipeline runs and what their history says."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict

WITHOUT_SUCCESS_RATE = frozenset({"health_check"})
"""A health check that found trouble did its work: it would only blur the rates."""


class RunState(StrEnum):
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"


class RunRecord(BaseModel):
    """One row of `pipeline_runs`; times are local without offset, as in the guide."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    run_id: str
    pipeline_name: str
    start_time: str | None
    end_time: str | None = None
    status: RunState
    started_at_utc: datetime | None = None
    ended_at_utc: datetime | None = None
    config: dict[str, Any] | None = None
    result: dict[str, Any] | None = None
    error_message: str | None = None


def new_run_id(pipeline: str, at: datetime, suffix: str) -> str:
    """`<pipeline>_<YYYYMMDD_HHMMSS>_<suffix>`; the suffix tells runs of one second apart."""
    return f"{pipeline}_{at.strftime('%Y%m%d_%H%M%S')}_{suffix}"


def summarise(days: int, counts: Iterable[tuple[str, str, int]]) -> dict[str, Any]:
    """The guide's statistics from (pipeline, state, number of runs).

    `total` counts every run, running ones too; `success_rate` is completed / ended, rounded to
    three places, and None while nothing has ended.
    """
    by_pipeline: dict[str, dict[str, int]] = {}
    for pipeline, state, number in counts:
        if pipeline not in WITHOUT_SUCCESS_RATE:
            by_pipeline.setdefault(pipeline, {})[state] = number
    return {
        "days": days,
        "stats_by_pipeline": {name: _rates(states) for name, states in sorted(by_pipeline.items())},
    }


def _rates(states: dict[str, int]) -> dict[str, Any]:
    completed = states.get(RunState.COMPLETED, 0)
    failed = states.get(RunState.FAILED, 0)
    ended = completed + failed
    return {
        "total": sum(states.values()),
        "completed": completed,
        "failed": failed,
        "success_rate": round(completed / ended, 3) if ended else None,
    }
