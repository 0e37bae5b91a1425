"""Staged events become merged ones: read what is there, write it once, then let go of it."""

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from viecomrec.adapters.merged_events import MergedEvents
from viecomrec.adapters.staged_files import Claim, StagedFiles, read_rows
from viecomrec.domain.event_rows import in_utc


def merge_staged(
    staged: StagedFiles, merged: MergedEvents, *, zone: str, now: datetime
) -> list[Claim]:
    """Merge exactly what was claimed and return the claims.

    They stay readable until a snapshot holds them: the caller removes them after publishing. A
    claim that a crash left behind is not merged again.
    """
    claims = staged.claim(now)
    fresh = _not_yet(claims, merged)
    # What all hosts share is a file of its own, so that it has the same name on each of them.
    for claim in [one for one in fresh if one.is_shared]:
        _write([claim], merged, zone)
    _write([one for one in fresh if not one.is_shared], merged, zone)
    return claims


def _write(claims: Sequence[Claim], merged: MergedEvents, zone: str) -> None:
    rows = [in_utc(read_rows(claim.path, claim.source), zone) for claim in claims]
    filled = [part for part in rows if part.height]
    if filled:
        merged.write(pl.concat(filled))


def count_staged(staged: StagedFiles, merged: MergedEvents, now: datetime) -> int:
    """How many rows a merge would add; nothing is changed."""
    waiting = _not_yet(staged.waiting(now), merged)
    return staged.n_elsewhere() + sum(
        read_rows(claim.path, claim.source).height for claim in waiting
    )


def _not_yet(claims: Sequence[Claim], merged: MergedEvents) -> list[Claim]:
    """Those whose rows no merged file holds."""
    held = merged.sources() if claims else set()
    return [claim for claim in claims if claim.source not in held]
