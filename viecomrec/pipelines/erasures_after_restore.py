"""Forget again whom an old backup brought back."""

from datetime import datetime

import polars as pl

from viecomrec.adapters.snapshots import Snapshot
from viecomrec.adapters.staging import StagingLog
from viecomrec.domain import columns as c
from viecomrec.domain.results import PipelineResult, Status
from viecomrec.pipelines import user_erasure
from viecomrec.pipelines.user_erasure import ErasureTools


def run(tools: ErasureTools, snapshot: Snapshot | None) -> PipelineResult:
    """Erase everybody again who did something, in what was restored, before being erased.

    The list of erasures holds no ids, only their hashes: each id in the data is asked about.
    The instants stay, and with them whatever somebody did who came back after the erasure.
    """
    erased = tools.erased.read()
    if not erased.erased_at:
        return PipelineResult(status=Status.SKIPPED, message="Nobody was ever erased")
    returned = {
        user_id: instant
        for user_id, first_at in sorted(_first_deeds(tools, snapshot).items())
        if (instant := erased.instant(user_id)) is not None and first_at <= instant
    }
    for user_id, instant in returned.items():
        user_erasure.carry_out_again(user_id, instant, tools)
    message = f"{len(returned)} erased customers were in the backup and are erased again"
    return PipelineResult(status=Status.SUCCESS, message=message, n_erased=len(returned))


def _first_deeds(tools: ErasureTools, snapshot: Snapshot | None) -> dict[str, datetime]:
    """When each user of the snapshot and of the staged events did something first.

    What raw file and merged events hold is in the snapshot, or newer than it.
    """
    first: dict[str, datetime] = {}
    if snapshot is not None:
        deeds = snapshot.interactions().group_by(c.USER_ID).agg(pl.col(c.AT).min())
        first.update(deeds.iter_rows())
    for event in StagingLog(tools.staging).pending():
        first[event.user_id] = min(event.at, first.get(event.user_id, event.at))
    return first
