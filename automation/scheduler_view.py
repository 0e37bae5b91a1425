"""The scheduler's status and history as tables for people."""

from typing import Any

from viecomrec.domain.leading import sentence

HEAD = ("JOB", "STATE", "LAST RESULT", "LAST RUN", "NEXT RUN", "PROGRESS OR ERROR")
HISTORY_HEAD = ("NOMINAL TIME", "JOB", "RESULT", "CAUSE", "WHY")
MAX_NOTE = 80


def render_status(status: dict[str, Any]) -> str:
    """A sentence about the scheduler, then one line for each job, in columns."""
    rows = [_row(name, job) for name, job in status["jobs"].items()]
    table = _columns([HEAD, *rows])
    return "\n".join([sentence(status), f"Times in {status['timezone']}.", "", *table])


def render_history(rows: list[dict[str, Any]]) -> str:
    """One line for each nominal time, newest first: what became of it, and why."""
    if not rows:
        return "Nothing is on record for this time. See: python -m automation.scheduler status"
    return "\n".join(_columns([HISTORY_HEAD, *map(_history_row, rows)]))


def _history_row(row: dict[str, Any]) -> tuple[str, ...]:
    result = row["state"]
    if result == "ran":
        result = "success" if row.get("exit_code") == 0 else f"failed ({row.get('exit_code')})"
    note = row.get("reason") or row.get("error") or ""
    return row["nominal"][:19], row["job"], result, row["cause"], _short(note)


def _columns(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _row(name: str, job: dict[str, Any]) -> tuple[str, ...]:
    last = job["last"] or {}
    state = f"{job['state']} for {job['for']}" if "for" in job else job["state"]
    note = job.get("progress") or last.get("error") or ""
    return (
        name,
        state if job["enabled"] else f"{state} (disabled)",
        last.get("status", "-"),
        last.get("timestamp", "-"),
        (job["next_run"] or "-")[:19],
        _short(note),
    )


def _short(text: str) -> str:
    return text if len(text) <= MAX_NOTE else text[: MAX_NOTE - 3] + "..."
