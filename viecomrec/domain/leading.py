"""What the scheduler of one host is among the hosts that may lead, in words and as JSON."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

START = "python -m automation.scheduler start --background"


class Role(StrEnum):
    """What this host's scheduler does."""

    LEADS = "leads"
    STANDS_BY = "stands_by"
    UNKNOWN = "unknown"
    """It runs, and the database does not say who leads."""

    NONE = "none"


@dataclass(frozen=True)
class ProcessFacts:
    """A scheduler's process: which, where, since when."""

    pid: int
    host: str
    since: datetime
    run: str | None = None
    lease_until: datetime | None = None
    """Of one that leads among hosts: it may be replaced if it falls silent until then."""

    def as_json(self) -> dict[str, Any]:
        told: dict[str, Any] = {"pid": self.pid, "host": self.host, "since": _instant(self.since)}
        if self.run is not None:
            told["run"] = self.run
        if self.lease_until is not None:
            told["lease_until"] = _instant(self.lease_until)
        return told


@dataclass(frozen=True)
class Standing:
    """The scheduler of a host beside the one that leads.

    `own` is None also for an instant in which it runs and nothing tells its process. `leader` is
    None where no host leads, and where no other host could (`is_shared` is False).
    """

    host: str
    is_running: bool
    own: ProcessFacts | None
    leader: ProcessFacts | None
    is_shared: bool
    trouble: str | None = None
    """Why the database does not say who leads."""

    is_refused: bool = False
    """Whether that is for good: a scheduler ends over it, and waits for one that is away."""

    @property
    def role(self) -> Role:
        if not self.is_running:
            return Role.NONE
        if not self.is_shared:
            return Role.LEADS
        if self.trouble is not None:
            return Role.UNKNOWN
        return Role.LEADS if self._is_leader() else Role.STANDS_BY

    @property
    def is_settled(self) -> bool:
        """Whether a scheduler that was just started leads, stands by or waits for the database."""
        if not self.is_running or self.is_refused:
            return False
        return not self.is_shared or self.leader is not None or self.trouble is not None

    def _is_leader(self) -> bool:
        """A process that died here may lead for the rest of its lease, so the process counts."""
        if self.leader is None or self.leader.host != self.host:
            return False
        return self.own is None or self.own.pid == self.leader.pid

    @property
    def words(self) -> str:
        """One or two sentences for a person."""
        return sentence(self.as_json())

    def as_json(self) -> dict[str, Any]:
        return {
            "running": self.is_running,
            "role": self.role.value,
            "host": self.host,
            "scheduler": None if self.own is None else self.own.as_json(),
            "leader": None if self.leader is None else self.leader.as_json(),
            "shares_database": self.is_shared,
            "trouble": self.trouble,
        }


def sentence(standing: dict[str, Any]) -> str:
    """What `Standing.as_json` says, for a person; also of a status that came by HTTP."""
    role, own, host = standing["role"], standing["scheduler"], standing["host"]
    process = f": process {own['pid']} on {own['host']} since {own['since']}" if own else ""
    if not standing["shares_database"]:
        if role == Role.NONE:
            return f"No scheduler runs. Start it with: {START}"
        return f"The scheduler runs{process}."
    if role == Role.NONE:
        return f"No scheduler runs on this host ({host}). {_who_leads(standing)} Start: {START}"
    ours = f"The scheduler of this host ({host})"
    if role == Role.UNKNOWN:
        return f"{ours} runs{process}. {_who_leads(standing)}"
    if role == Role.STANDS_BY:
        return f"{ours} stands by{process}. {_who_leads(standing)}"
    return f"{ours} leads{process}, lease until {standing['leader']['lease_until']}."


def _who_leads(standing: dict[str, Any]) -> str:
    leader = standing["leader"]
    if standing["trouble"] is not None:
        return f"Which host leads is not known: {standing['trouble']}"
    if leader is None:
        return "No host leads at the moment."
    return (
        f"The host {leader['host']} leads: process {leader['pid']} since {leader['since']}, "
        f"lease until {leader['lease_until']}."
    )


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
