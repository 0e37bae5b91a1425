"""From a shop's files and events to the next snapshot: merge, compare, decide, build, publish."""

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import polars as pl
import structlog

from viecomrec.adapters.snapshots import Snapshot, SnapshotStore
from viecomrec.adapters.staged_files import Claim, StagedFiles
from viecomrec.domain.comment_quality import CommentScorer, ScorerWeights
from viecomrec.domain.incremental import FALLBACK_MESSAGE
from viecomrec.domain.refresh_plan import (
    EVENTS,
    RefreshMode,
    RefreshPlan,
    event_files,
    new_event_files,
    plan_refresh,
)
from viecomrec.domain.results import PipelineResult, Status
from viecomrec.pipelines.comment_scoring import CommentScoring
from viecomrec.pipelines.event_merge import count_staged, merge_staged
from viecomrec.pipelines.refresh_build import (
    Built,
    ResolveRows,
    Sources,
    build_incremental,
    full_build,
    resolve_here,
)
from viecomrec.pipelines.review_rows import first_comments, fit_on_reviews

PROGRAM = f"format 9, polars {pl.__version__}"
"""Part of the fingerprint: raise it whenever the same rows would give other files."""

EMBEDDED = "embedded"
ERASURES = "erasures"
"""Under this name a snapshot has on record which erasures it respects."""

log = structlog.get_logger()


@dataclass(frozen=True)
class RefreshRequest:
    """The guide's flags, and the explicit step of fitting the comment scorer anew."""

    force: bool = False
    force_full: bool = False
    dry_run: bool = False
    skip_merge: bool = False
    refit_scorer: bool = False


@dataclass(frozen=True)
class RefreshTools:
    """What a refresh reads from, writes to and is ruled by."""

    sources: Sources
    staged: StagedFiles
    snapshots: SnapshotStore
    scoring: CommentScoring
    incremental_limit: int
    now: Callable[[], datetime]
    engine: str = EMBEDDED
    """Who works on the rows of a full refresh; a few new events are worked in here."""

    resolve_rows: ResolveRows | None = None


def run(request: RefreshRequest, tools: RefreshTools) -> PipelineResult:
    """Bring the snapshot up to date; the previous one stays in force until the new is complete."""
    # A rebuild does not need the old snapshot, which may be damaged.
    current = None if request.force_full else tools.snapshots.current()
    if request.dry_run:
        return _planned(
            _plan(request, tools, current, _fingerprints(tools, remember=False)), current
        )
    claims = [] if request.skip_merge else _merge(tools)
    if request.refit_scorer:
        tools.scoring.refit(_fit(tools))
    found = _fingerprints(tools, remember=True)
    plan = _plan(request, tools, current, found)
    if plan.mode is RefreshMode.SKIP and current is not None:
        tools.snapshots.repair_view()
        _forget_older_snapshots(tools, current.version)
        tools.staged.remove(claims)
        return PipelineResult(
            status=Status.SKIPPED,
            message="No new data",
            mode=plan.mode.value,
            ignored_staging_files=tools.staged.strangers() or None,
        )
    log.info("refresh", mode=plan.mode.value, reason=plan.reason)
    scorer = _scorer(tools)
    with _built(tools, plan, current, found, scorer) as (plan, built):
        n_newly_trainable = _count_new(plan, built, tools.snapshots)
        described = {"rows": built.rows, "comment_scorer": tools.scoring.describe(scorer)}
        engine = tools.engine if plan.mode is RefreshMode.FULL else EMBEDDED
        snapshot, statistics = _publish(tools, built, found, described, engine)
    _forget_older_snapshots(tools, snapshot.version)
    tools.staged.remove(claims)
    return _report(snapshot, plan, built, statistics, n_newly_trainable, tools.staged.strangers())


def _count_new(plan: RefreshPlan, built: Built, snapshots: SnapshotStore) -> int:
    """How many trainable users had no matrix row in the snapshot in force."""
    if plan.mode is RefreshMode.INCREMENTAL:
        return built.trainable.len()
    known = built.trainable.is_in(snapshots.known_users().implode())
    return built.trainable.len() - int(known.sum())


def _merge(tools: RefreshTools) -> list[Claim]:
    sources = tools.sources
    return merge_staged(tools.staged, sources.merged, zone=sources.zone, now=tools.now())


def _fingerprints(tools: RefreshTools, *, remember: bool) -> dict[str, str]:
    """What the next snapshot would be built from, by content."""
    sources = tools.sources
    rules = json.dumps(asdict(sources.rules), sort_keys=True, default=dict)
    return {
        **sources.shop.fingerprints(remember=remember),
        "mapping": _sha256(sources.shop.source.model_dump_json()),
        "settings": _sha256(f"{rules} {sources.zone} {sources.max_bad_share}"),
        "scorer": tools.scoring.version(),
        "program": PROGRAM,
        ERASURES: sources.erased.fingerprint(),
        EVENTS: ",".join(sources.merged.names()),
    }


def _plan(
    request: RefreshRequest,
    tools: RefreshTools,
    current: Snapshot | None,
    found: dict[str, str],
) -> RefreshPlan:
    before = None if current is None else current.manifest.source
    new_files = new_event_files(before or {}, found)
    n_new = tools.sources.merged.read(new_files).height
    if request.dry_run and not request.skip_merge:
        n_new += count_staged(tools.staged, tools.sources.merged, tools.now())
    return plan_refresh(
        before,
        found,
        n_new_events=n_new,
        incremental_limit=tools.incremental_limit,
        force=request.force,
        force_full=request.force_full,
    )


@contextmanager
def _built(
    tools: RefreshTools,
    plan: RefreshPlan,
    current: Snapshot | None,
    found: dict[str, str],
    scorer: CommentScorer,
) -> Iterator[tuple[RefreshPlan, Built]]:
    """Follow the plan; where the incremental way has an obstacle, rebuild and say so."""
    if plan.mode is RefreshMode.INCREMENTAL and current is not None:
        before = current.manifest.source
        new_files = new_event_files(before, found)
        built = build_incremental(tools.sources, current, event_files(before), new_files, scorer)
        if isinstance(built, Built):
            yield plan, built
            return
        log.info(FALLBACK_MESSAGE, reason=built)
        plan = RefreshPlan(RefreshMode.FULL, built, fell_back=True)
    with full_build(
        tools.sources, event_files(found), scorer, tools.resolve_rows or resolve_here
    ) as built:
        yield plan, built


def _scorer(tools: RefreshTools) -> CommentScorer:
    return tools.scoring.scorer(
        fit=_fit(tools), some_comments=lambda: first_comments(tools.sources.shop)
    )


def _fit(tools: RefreshTools) -> Callable[[], ScorerWeights]:
    sources = tools.sources
    return lambda: fit_on_reviews(
        sources.shop,
        zone=sources.zone,
        max_bad_share=sources.max_bad_share,
        positive_rating=sources.rules.confidence.positive_rating,
    )


def _publish(
    tools: RefreshTools,
    built: Built,
    found: dict[str, str],
    described: dict[str, Any],
    engine: str,
) -> tuple[Snapshot, dict[str, Any]]:
    """Write the snapshot and make it current; its statistics."""
    # The first refresh fits the scorer after the fingerprints were taken.
    source = {**found, "scorer": tools.scoring.version()}
    statistics: dict[str, Any] = {}
    quarantine = tools.sources.quarantine
    snapshot = tools.snapshots.publish(
        lambda folder: statistics.update(built.write(folder, described)),
        source,
        tools.now(),
        before_pointer=lambda version: quarantine.write(version, built.quarantined),
        engine=engine,
    )
    return snapshot, statistics


def _forget_older_snapshots(tools: RefreshTools, current: str) -> None:
    """Older snapshots may hold a person who was erased since; a rebuild has left them out."""
    erased = tools.sources.erased
    if erased.read().erased_at:
        tools.snapshots.remove_others(current, until=erased.latest(), same=ERASURES)


def _planned(plan: RefreshPlan, current: Snapshot | None) -> PipelineResult:
    return PipelineResult(
        status=Status.SUCCESS,
        dry_run=True,
        message=f"Would run: {plan.mode.value} ({plan.reason})",
        mode=plan.mode.value,
        reason=plan.reason,
        snapshot_version=None if current is None else current.version,
    )


def _report(
    snapshot: Snapshot,
    plan: RefreshPlan,
    built: Built,
    statistics: dict[str, Any],
    n_newly_trainable: int,
    strangers: list[str],
) -> PipelineResult:
    shown: dict[str, Any] = {
        name: statistics[name]
        for name in ("n_interactions", "n_users", "n_trainable_users", "n_products")
    }
    return PipelineResult(
        status=Status.SUCCESS,
        message=FALLBACK_MESSAGE if plan.fell_back else f"{plan.mode.value} refresh",
        mode=plan.mode.value,
        reason=plan.reason,
        snapshot_version=snapshot.version,
        engine=snapshot.manifest.engine,
        n_newly_trainable=n_newly_trainable,
        n_quarantined=built.quarantined.height,
        ignored_staging_files=strangers or None,
        comment_scorer=statistics["comment_scorer"],
        **shown,
    )


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
