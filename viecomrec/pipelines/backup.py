"""Save the state of an installation into one file while everything runs, and bring it back."""

import json
import secrets
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from viecomrec.adapters import holders
from viecomrec.adapters.backup_archive import (
    LOCK_FOLDERS,
    BackupWriter,
    add_manifest,
    extract,
    move_into_place,
    new_archive,
)
from viecomrec.adapters.embeddings import EmbeddingStore
from viecomrec.adapters.erased_users import ErasedUsersFile
from viecomrec.adapters.registry import RegistryStore
from viecomrec.adapters.service_client import ServiceClient
from viecomrec.adapters.snapshots import SnapshotStore
from viecomrec.domain.backup import TOP_FOLDERS, BackupManifest
from viecomrec.domain.results import PipelineResult, Status
from viecomrec.errors import BackupError, ServiceError
from viecomrec.paths import ProjectPaths
from viecomrec.pipelines.runner import HeldLock

RUNNING_NAMES = (
    "scheduler",
    "data_refresh",
    "bert_embeddings",
    "model_training",
    "model_deployment",
    "drift_detection",
    "cleanup",
)


@dataclass(frozen=True)
class BackupTools:
    """What a backup reads and what a restore must ask before."""

    paths: ProjectPaths
    artifact_url: str | None
    database: str | None
    """The database that several hosts share, for messages; None where this one is alone."""

    bring_all: Callable[[], None]
    registry: RegistryStore
    snapshots: SnapshotStore
    embeddings: EmbeddingStore
    service: ServiceClient
    installation_id: str | None
    cleanup_lock: AbstractContextManager[HeldLock]
    forget: Callable[[], PipelineResult]
    """Erases again whom the backup brings back."""

    refresh: Callable[[], dict[str, Any]]
    now: Callable[[], datetime]


def save(file: Path, tools: BackupTools) -> PipelineResult:
    """Write the backup. Nothing has to stop; only cleanup waits until it is done.

    The order makes it consistent: waiting events before the snapshot that may take them in,
    the snapshot before the merged events. An event that moves meanwhile is in the backup
    twice under one id, which counts once, and never not at all.
    """
    tools.bring_all()
    with tools.cleanup_lock as held:
        if not held.acquired:
            raise BackupError("A cleanup or another backup is running; try again when it ended.")
        with new_archive(file, tools.paths.root) as writer:
            _add_state(writer, tools)
            manifest = BackupManifest(
                created_at_utc=tools.now().astimezone(UTC).isoformat(timespec="seconds"),
                program_version=version("viecomrec"),
                installation_id=tools.installation_id,
                sha256=dict(writer.sha256),
            )
            add_manifest(writer, manifest)
    return PipelineResult(
        status=Status.SUCCESS,
        message=f"Saved {len(manifest.sha256)} files",
        not_held=None
        if tools.database is None
        else f"Runs, nominal times and events lie in the database {tools.database}: save it with "
        "pg_dump, before this backup.",
        file=str(file),
        size_mb=round(file.stat().st_size / 1024**2, 2),
    )


def _add_state(writer: BackupWriter, tools: BackupTools) -> None:
    paths = tools.paths
    writer.add_folder(paths.config)
    writer.add_folder(paths.staging)
    _add_pointed(writer, paths.snapshots, paths.snapshot_pointer)
    writer.add_folder(paths.merged_events)
    writer.add_folder(paths.published_data)
    _add_pointed(writer, paths.embeddings, paths.embeddings_pointer)
    _add_pointed(writer, paths.scorers, paths.scorer_pointer)
    _add_models(writer, tools)
    writer.add_folder(paths.drift_baseline_file.parent)
    writer.add_folder(paths.comment_scores)
    if paths.numeric_formats_file.is_file():
        writer.add_file(paths.numeric_formats_file)
    writer.add_file(paths.installation_file)
    for database in (paths.ledger_file, paths.alert_store_file):
        writer.add_database(database)
    for journal in (paths.deployment_journal_file, paths.alerts_file, paths.task_status_file):
        writer.add_file(journal)
    writer.add_folder(paths.drift_reports)
    writer.add_folder(paths.quarantine)
    # Last: whoever is erased while the backup is made is at least on its list.
    writer.add_file(paths.erased_users_file)


def _add_pointed(writer: BackupWriter, root: Path, pointer: Path) -> None:
    """The pointer as it is now, and the version that it names; other versions stay behind."""
    if not pointer.is_file():
        return
    content = pointer.read_bytes()
    try:
        folder = root / str(json.loads(content)["version"])
    except (ValueError, KeyError, TypeError) as error:
        raise BackupError(f"{pointer} is damaged ({error}); repair it before a backup.") from error
    writer.add_folder(folder)
    writer.add_content(writer.name_of(pointer), content)


def _add_models(writer: BackupWriter, tools: BackupTools) -> None:
    registry = tools.registry.read()
    for record in registry.models.values():
        writer.add_folder(tools.paths.models / record.path)
    if registry.models:
        name = tools.paths.relative(tools.paths.registry_file)
        writer.add_content(name, registry.model_dump_json(indent=2).encode())


def restore(file: Path, tools: BackupTools, *, replace: bool) -> PipelineResult:
    """Bring a backup back. What stood here is moved aside, never deleted.

    The archive is checked as a whole before anything is touched. Raises BackupError where
    something runs, or where an installation stands here already and `replace` is not given.
    """
    root = tools.paths.root
    if tools.artifact_url is not None:
        raise BackupError(
            f"A backup comes back into a folder, and {tools.artifact_url} would stay as it is. "
            "Restore into an empty folder without ARTIFACT_URL, then upload that folder to an "
            "empty prefix: viecomrec artifacts push"
        )
    with holders.held(tools.paths.locks, RUNNING_NAMES) as busy:
        _require_rest(tools, busy)
        standing = [name for name in TOP_FOLDERS if name != "config" and _has_files(root / name)]
        if standing and not replace:
            raise BackupError(
                f"{root} holds an installation already ({', '.join(standing)}). With --replace it "
                "is moved aside first."
            )
        aside = root / f"before-restore-{tools.now():%Y%m%d-%H%M%S}"
        manifest = _bring_back(file, tools.paths, aside)
        forgotten = tools.forget()
    tools.snapshots.repair_view()
    tools.embeddings.repair_view()
    refresh = _forget_again(tools)
    failed = refresh is not None and refresh.get("status") == Status.FAILED
    return PipelineResult(
        status=Status.WARNING if failed else Status.SUCCESS,
        message=f"Restored {len(manifest.sha256)} files of {manifest.created_at_utc}",
        moved_aside=str(aside) if aside.exists() else None,
        erased_again=forgotten.message,
        refresh=refresh,
    )


def _bring_back(file: Path, paths: ProjectPaths, aside: Path) -> BackupManifest:
    """Extract beside, add the erasures made here since, and only then move into place."""
    workplace = paths.root / f".restore-{secrets.token_hex(4)}"
    try:
        manifest = extract(file, workplace)
        standing = ErasedUsersFile(paths.erased_users_file).read()
        ErasedUsersFile(ProjectPaths(workplace).erased_users_file).take_in(standing)
        move_into_place(workplace, paths.root, aside)
    finally:
        shutil.rmtree(workplace, ignore_errors=True)
    return manifest


def _forget_again(tools: BackupTools) -> dict[str, Any] | None:
    """Build the data anew without the people who were erased; None where nobody was."""
    erased = ErasedUsersFile(tools.paths.erased_users_file).read()
    if not erased.erased_at or tools.snapshots.current() is None:
        return None
    return tools.refresh()


def _has_files(folder: Path) -> bool:
    """Whether something stands here; locks, which this very run holds, are nothing."""
    return any(path.is_file() for path in folder.rglob("*") if not LOCK_FOLDERS & set(path.parts))


def _require_rest(tools: BackupTools, busy: list[str]) -> None:
    running = list(busy)
    try:
        if tools.service.model_info().installation_id == tools.installation_id:
            running.append("the service")
    except ServiceError:
        pass  # nobody of this installation answers
    if running:
        raise BackupError(f"Stop first what runs here: {', '.join(running)}.")
