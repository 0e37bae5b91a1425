"""Answers from the journal: what was live when, and what was done."""

from datetime import UTC, datetime, tzinfo

from viecomrec.adapters.deployment_journal import DeploymentJournal
from viecomrec.domain.deployment import live_at
from viecomrec.domain.results import PipelineResult, Status
from viecomrec.errors import ConfigurationError


def tell_live_model(
    journal: DeploymentJournal, at: str, zone: tzinfo, now: datetime
) -> PipelineResult:
    """The model that the service was last seen to serve at or before `at`, which has passed."""
    instant = _parse(at, zone)
    if instant > now:
        raise ConfigurationError(f"--at {at!r} lies in the future; ask for a time that has passed")
    record = live_at(journal.read(), instant)
    if record is None:
        message = f"Before the first deployment that was confirmed (asked: {instant.isoformat()})"
        return PipelineResult(status=Status.SUCCESS, message=message, at=instant.isoformat())
    return PipelineResult(
        status=Status.SUCCESS,
        message=f"{record.live_model_id} was live",
        at=instant.isoformat(),
        live_model_id=record.live_model_id,
        seen_at=record.timestamp,
        seen_at_utc=record.timestamp_utc.isoformat(),
        record=record.model_dump(mode="json", exclude_none=True),
    )


def list_steps(journal: DeploymentJournal, limit: int) -> PipelineResult:
    """The last steps of all deployments, the newest first."""
    records = journal.read()[::-1][: max(limit, 0)]
    return PipelineResult(
        status=Status.SUCCESS,
        steps=[record.model_dump(mode="json", exclude_none=True) for record in records],
    )


def _parse(text: str, zone: tzinfo) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigurationError(
            f"--at {text!r} is no time such as 2025-01-30T10:00 or 2025-01-30T10:00+07:00"
        ) from error
    return (instant if instant.tzinfo else instant.replace(tzinfo=zone)).astimezone(UTC)
