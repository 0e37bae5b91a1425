"""One person is forgotten: recorded first, so that an interruption cannot bring them back."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl

from viecomrec.adapters import erasing
from viecomrec.adapters.data_source import DataSource
from viecomrec.adapters.erased_users import ErasedUsersFile
from viecomrec.adapters.raw_files import open_table
from viecomrec.adapters.registry import ModelStore
from viecomrec.adapters.score_cache import ScoreCache
from viecomrec.domain import columns as c
from viecomrec.domain.comment_text import clean
from viecomrec.domain.contracts import REVIEWS
from viecomrec.domain.erasure import UpTo
from viecomrec.domain.results import PipelineResult, Status
from viecomrec.errors import InputError
from viecomrec.pipelines.refresh_build import Sources


@dataclass(frozen=True)
class ErasureTools:
    """Every place that may hold something of a person."""

    erased: ErasedUsersFile
    sources: Sources
    source: DataSource
    staging: Path
    cache: ScoreCache
    models: ModelStore
    logs: Path
    now: Callable[[], datetime]
    erase_shared: Callable[[str, datetime | None], dict[str, int]] = lambda _user, _until: {}
    """Erase from the database that several hosts share, and say what was found there."""


def run(user_id: str, tools: ErasureTools) -> PipelineResult:
    """Erase a user from every file but the snapshots, which the next refresh replaces.

    Running it again continues an interrupted erasure. The report never names the user.
    """
    user = user_id.strip()
    if not user:
        raise InputError("Name the id of the user to erase.")
    tools.erased.add(user, tools.now())
    counts = _take_out(user, tools, None)
    return PipelineResult(
        status=Status.SUCCESS,
        message="The user gets no personal answers from now on. The data refresh that follows "
        "removes them from the snapshots, the next training from the factors.",
        erased=counts,
    )


def carry_out_again(user: str, instant: datetime, tools: ErasureTools) -> None:
    """Take out what a user did up to an erasure on record; its instant and later deeds stay.

    What has no time, such as a row of a model or of a log, goes as a whole.
    """
    _take_out(user, tools, UpTo(instant, tools.sources.zone))


def _take_out(user: str, tools: ErasureTools, until: UpTo | None) -> dict[str, int]:
    """Everything of a user, or everything up to an instant; how much of each kind."""
    _forget_scores(user, tools)
    pseudonym = f"erased-{tools.erased.read().name(user)}"
    counts = {
        "raw_rows": _erase_raw(user, tools, until),
        "staged_events": erasing.erase_from_staging(tools.staging, user, until),
        "merged_events": tools.sources.merged.erase(user, until),
        # The rebuild that follows finds the later ones again.
        "quarantined_rows": tools.sources.quarantine.erase(user),
        "models": tools.models.rename_user(user, pseudonym),
        "log_entries": _erase_logs(user, tools.logs),
    }
    for what, number in tools.erase_shared(user, None if until is None else until.instant).items():
        counts[what] += number
    return counts


def _erase_raw(user: str, tools: ErasureTools, until: UpTo | None) -> int:
    shop, mapping = tools.sources.shop, tools.source.reviews
    path = shop.path(REVIEWS)
    if not path.is_file():
        return 0
    table = open_table(
        path, REVIEWS, mapping.columns, encoding=mapping.encoding, separator=mapping.separator
    )
    encoding = mapping.encoding or erasing.encoding_of(path)
    return erasing.erase_from_table(path, table, encoding, user, until)


def _forget_scores(user: str, tools: ErasureTools) -> None:
    """Scores lie under hashes of texts; what this user wrote is looked up while it is there."""

    def comments(raw: pl.DataFrame) -> list[str]:
        own = raw.filter(pl.col(c.USER_ID).str.strip_chars() == user)
        return own.select(clean(pl.col(c.COMMENT))).to_series().to_list()

    merged = tools.sources.merged
    texts = comments(merged.read(merged.names()))
    if tools.sources.shop.path(REVIEWS).is_file():
        with_comments = tools.sources.shop.map_reviews(
            lambda raw: comments(raw) if c.COMMENT in raw.columns else []
        )
        texts += [text for batch in with_comments for text in batch]
    tools.cache.forget(texts)


def _erase_logs(user: str, folder: Path) -> int:
    """Logs, rotated ones too, the states beside them and the databases of runs and alerts."""
    return sum(
        [
            *(erasing.erase_from_log(path, user) for path in folder.rglob("*.log*")),
            *(erasing.erase_from_log(path, user) for path in folder.rglob("*.jsonl*")),
            *(erasing.erase_from_json(path, user) for path in folder.rglob("*.json")),
            *(erasing.erase_from_database(path, user) for path in folder.rglob("*.db")),
        ]
    )
