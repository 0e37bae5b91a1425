"""Delete old logs, checkpoints, models and data versions that nothing refers to."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from viecomrec.adapters import holders
from viecomrec.adapters.deletion import DeletionTree
from viecomrec.adapters.embeddings import EmbeddingStore
from viecomrec.adapters.registry import RegistryStore
from viecomrec.adapters.service_client import ServiceClient
from viecomrec.adapters.snapshots import SnapshotStore
from viecomrec.domain import cleanup as rules
from viecomrec.domain.cleanup import CleanedUp, Entry
from viecomrec.domain.deployment import LiveModel
from viecomrec.domain.registry import ModelRecord, Registry
from viecomrec.domain.results import PipelineResult, Status
from viecomrec.errors import CleanupError, ServiceError

GUIDE_KINDS = ("logs", "checkpoints", "models")
OTHER_KINDS = ("snapshots", "embeddings", "quarantine")
DATA_PIPELINES = ("data_refresh", "model_training", "bert_embeddings", "drift_detection")


@dataclass(frozen=True)
class Retention:
    """How much is kept."""

    log_days: float = 30
    checkpoints: int = 3
    models: int = 5
    versions: int = 3
    quarantine_days: float = 30
    forgotten_days: float = 30


@dataclass(frozen=True)
class CleanupTools:
    """The trees that cleanup may delete in, and what it must ask before."""

    logs: DeletionTree
    checkpoints: DeletionTree
    models: DeletionTree
    models_root: Path
    snapshots: DeletionTree
    embeddings: DeletionTree
    quarantine: DeletionTree
    registry: RegistryStore
    snapshot_store: SnapshotStore
    embedding_store: EmbeddingStore
    service: ServiceClient
    locks: Path
    now: Callable[[], datetime]
    retention: Retention


def run(kind: str, tools: CleanupTools, *, dry_run: bool) -> PipelineResult:
    """Clean up one kind or `all`; with `dry_run` say what would go and change no byte.

    Merged events are no target: they are the only copy of what customers did.
    """
    kinds = (*GUIDE_KINDS, *OTHER_KINDS) if kind == "all" else (kind,)
    results = [_CLEANUPS[one](tools, dry_run) for one in kinds]
    return PipelineResult(
        status=Status.SUCCESS,
        dry_run=dry_run,
        results=[_describe(one) for one in results],
        total_freed_mb=rules.megabytes(sum(one.n_bytes for one in results)),
    )


def _describe(cleaned: CleanedUp) -> dict[str, object]:
    described: dict[str, object] = {
        "type": cleaned.kind,
        "deleted_count": len(cleaned.entries),
        "deleted_size_mb": rules.megabytes(cleaned.n_bytes),
        "deleted": [entry.name for entry in cleaned.entries],
    }
    return described if cleaned.note is None else {**described, "note": cleaned.note}


def _delete(tree: DeletionTree, entries: list[Entry]) -> None:
    tree.put_away(entries)
    tree.sweep()


def _delete_at_rest(
    kind: str,
    tree: DeletionTree,
    choose: Callable[[], list[Entry]],
    tools: CleanupTools,
    pipelines: Sequence[str],
    dry_run: bool,
) -> CleanedUp:
    """Delete what `choose` says, unless a pipeline runs that may be using it.

    The pipelines' locks are held for the choice and the renames alone, so that hardly any run
    is turned away.
    """
    if dry_run:  # changes no byte, not even a lock
        busy = [name for name in pipelines if holders.is_running(tools.locks, name)]
        old = [] if busy else choose()
    else:
        with holders.held(tools.locks, pipelines) as busy:
            old = [] if busy else choose()
            tree.put_away(old)
        tree.sweep()
    return CleanedUp(kind, tuple(old), f"in use by {', '.join(busy)}" if busy else None)


# --- the guide's kinds -------------------------------------------------------------------
def _clean_logs(tools: CleanupTools, dry_run: bool) -> CleanedUp:
    """Logs of jobs only: never a database, a journal or a lock."""
    old = rules.older_than(
        tools.logs.entries("*.log"), tools.now(), timedelta(days=tools.retention.log_days)
    )
    if not dry_run:
        _delete(tools.logs, old)
    return CleanedUp("logs", tuple(old))


def _clean_checkpoints(tools: CleanupTools, dry_run: bool) -> CleanedUp:
    users = ("model_training",)
    return _delete_at_rest(
        "checkpoints", tools.checkpoints, lambda: _old_checkpoints(tools), tools, users, dry_run
    )


def _old_checkpoints(tools: CleanupTools) -> list[Entry]:
    return [
        entry
        for model_type in ("als", "bpr")
        for entry in rules.beyond_newest(
            tools.checkpoints.entries(f"{model_type}/*"), tools.retention.checkpoints, tools.now()
        )
    ]


def _clean_models(tools: CleanupTools, dry_run: bool) -> CleanedUp:
    """A model leaves the registry first, so that nothing half deleted is ever listed."""
    in_use = _in_use(_live_model(tools))
    registry = tools.registry.read()
    for record in registry.models.values():
        _require_own_folder(tools, record)
    chosen = _choose_models(tools, registry, in_use)
    measured = [tools.models.entry(_folder(tools, record)) for record in chosen]
    entries = [entry for entry in measured if entry is not None]
    entries += _forgotten_folders(tools, registry)
    if not dry_run:
        _unregister(tools, chosen, in_use)
        still_listed = tools.registry.read().models
        _delete(tools.models, [entry for entry in entries if entry.name not in still_listed])
    return CleanedUp("models", tuple(entries))


def _forgotten_folders(tools: CleanupTools, registry: Registry) -> list[Entry]:
    """Folders of models that no registry lists: a run was killed between the two steps.

    They wait long, since somebody may have moved the registry away and bring it back.
    """
    folders = [
        entry
        for model_type in ("als", "bpr")
        for entry in tools.models.entries(f"{model_type}/*")
        if entry.is_folder and entry.name not in registry.models
    ]
    return rules.older_than(folders, tools.now(), timedelta(days=tools.retention.forgotten_days))


def _require_own_folder(tools: CleanupTools, record: ModelRecord) -> None:
    """A record without a path, or with that of another model, must not delete anything."""
    tools.models.require_inside(_folder(tools, record))
    if _folder(tools, record).name != record.model_id:
        raise CleanupError(
            f"The registry says that {record.model_id} lies in {record.path!r}, which is not its "
            "own folder; nothing of this kind was deleted. Correct registry.json."
        )


def _unregister(tools: CleanupTools, chosen: list[ModelRecord], in_use: frozenset[str]) -> None:
    """Judge again under the registry's lock: a deployment may have come in between."""
    wanted = {record.model_id for record in chosen}

    def change(registry: Registry) -> Registry:
        still = {record.model_id for record in _choose_models(tools, registry, in_use)}
        return rules.without_models(registry, wanted & still)

    if wanted:
        tools.registry.update(change)


def _choose_models(
    tools: CleanupTools, registry: Registry, in_use: frozenset[str]
) -> list[ModelRecord]:
    return rules.models_to_delete(
        registry,
        keep=tools.retention.models,
        referenced=rules.referenced_models(registry, in_use),
        now=tools.now(),
        modified_at=lambda record: _modified_at(_folder(tools, record)),
    )


def _folder(tools: CleanupTools, record: ModelRecord) -> Path:
    return tools.models_root / record.path


def _modified_at(folder: Path) -> datetime | None:
    return datetime.fromtimestamp(folder.stat().st_mtime, UTC) if folder.exists() else None


def _in_use(live: LiveModel | None) -> frozenset[str]:
    return frozenset() if live is None or live.model_id is None else frozenset({live.model_id})


def _live_model(tools: CleanupTools) -> LiveModel | None:
    try:
        return tools.service.model_info()
    except ServiceError:
        return None  # what is desired and deployed is protected by the registry


# --- versions of the data ----------------------------------------------------------------
def _clean_snapshots(tools: CleanupTools, dry_run: bool) -> CleanedUp:
    live = _live_model(tools)  # asked first: a service that hangs must not keep the locks held

    def choose() -> list[Entry]:
        current = tools.snapshot_store.current()
        needed = {record.snapshot_version for record in _kept_models(tools, live)}
        needed |= {current.version} if current else set()
        needed |= {live.snapshot_version} if live and live.snapshot_version else set()
        return _old_versions(tools, tools.snapshots, needed)

    return _delete_at_rest("snapshots", tools.snapshots, choose, tools, DATA_PIPELINES, dry_run)


def _clean_embeddings(tools: CleanupTools, dry_run: bool) -> CleanedUp:
    live = _live_model(tools)

    def choose() -> list[Entry]:
        current = tools.embedding_store.current()
        kept = _kept_models(tools, live)
        needed = {record.embedding_version for record in kept if record.embedding_version}
        needed |= {current.version} if current else set()
        return _old_versions(tools, tools.embeddings, needed)

    return _delete_at_rest("embeddings", tools.embeddings, choose, tools, DATA_PIPELINES, dry_run)


def _old_versions(tools: CleanupTools, tree: DeletionTree, protected: set[str]) -> list[Entry]:
    folders = [entry for entry in tree.entries("*") if entry.is_folder]
    return rules.beyond_newest(folders, tools.retention.versions, tools.now(), protected)


def _kept_models(tools: CleanupTools, live: LiveModel | None) -> list[ModelRecord]:
    """Models that something points at: what they were made from is kept with them."""
    registry = tools.registry.read()
    referenced = rules.referenced_models(registry, _in_use(live))
    return [record for key, record in registry.models.items() if key in referenced]


def _clean_quarantine(tools: CleanupTools, dry_run: bool) -> CleanedUp:
    """Rows that were left out of a snapshot go when the snapshot has gone and time has passed."""
    versions = {entry.name for entry in tools.snapshots.entries("*") if entry.is_folder}
    files = [entry for entry in tools.quarantine.entries("*") if entry.name not in versions]
    old = rules.older_than(files, tools.now(), timedelta(days=tools.retention.quarantine_days))
    if not dry_run:
        _delete(tools.quarantine, old)
    return CleanedUp("quarantine", tuple(old))


_CLEANUPS: dict[str, Callable[[CleanupTools, bool], CleanedUp]] = {
    "logs": _clean_logs,
    "checkpoints": _clean_checkpoints,
    "models": _clean_models,
    "snapshots": _clean_snapshots,
    "embeddings": _clean_embeddings,
    "quarantine": _clean_quarantine,
}
