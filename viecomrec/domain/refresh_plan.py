"""What a refresh has to do, decided from fingerprints and counts alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

EVENTS = "events"


class RefreshMode(StrEnum):
    SKIP = "skip"
    INCREMENTAL = "incremental"
    FULL = "full"


@dataclass(frozen=True)
class RefreshPlan:
    mode: RefreshMode
    reason: str
    fell_back: bool = False
    """Whether the incremental way was tried and had an obstacle."""


def event_files(source: Mapping[str, str]) -> list[str]:
    """The merged event files that a fingerprint names."""
    return [name for name in source.get(EVENTS, "").split(",") if name]


def new_event_files(current: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    """The merged event files that a snapshot with the fingerprint `current` does not hold."""
    return sorted(set(event_files(found)) - set(event_files(current)))


def plan_refresh(
    current: Mapping[str, str] | None,
    found: Mapping[str, str],
    *,
    n_new_events: int,
    incremental_limit: int,
    force: bool,
    force_full: bool,
) -> RefreshPlan:
    """Compare the fingerprints behind the current snapshot with those found now."""
    if force_full or current is None:
        reason = "asked for by --force-full" if force_full else "there is no snapshot yet"
        return RefreshPlan(RefreshMode.FULL, reason)
    changed = sorted(
        name for name in {*current, *found} - {EVENTS} if current.get(name) != found.get(name)
    )
    if set(event_files(current)) - set(event_files(found)):
        changed.append("events were removed")
    if changed:
        return RefreshPlan(RefreshMode.FULL, f"changed: {', '.join(changed)}")
    if n_new_events >= incremental_limit:
        return RefreshPlan(RefreshMode.FULL, f"{n_new_events} new events")
    if n_new_events:
        return RefreshPlan(RefreshMode.INCREMENTAL, f"{n_new_events} new events")
    if force:
        return RefreshPlan(RefreshMode.FULL, "asked for by --force, nothing is new")
    return RefreshPlan(RefreshMode.SKIP, "nothing is new")
