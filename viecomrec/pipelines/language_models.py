"""Fetch the language models, and say which are used and why."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

from viecomrec.adapters import atomic_files
from viecomrec.adapters.embeddings import EmbeddingStore
from viecomrec.adapters.language_models import LanguageModelFolders, LocatedModel, is_commit
from viecomrec.adapters.model_hub import ModelHub, PublishedModel
from viecomrec.domain.language_models import (
    FETCH_COMMAND,
    PHOBERT,
    PINS,
    SOURCE,
    VISOBERT_SENTIMENT,
    LanguageModel,
)
from viecomrec.domain.results import PipelineResult, Status
from viecomrec.errors import ArtifactError

log = structlog.get_logger()


@dataclass(frozen=True)
class ModelTools:
    """What the commands about language models read and change."""

    folders: LanguageModelFolders
    hub: ModelHub
    embeddings: EmbeddingStore
    revisions: dict[str, str]
    """The commit or branch of each model, by its id, that the settings ask for."""

    now: Callable[[], datetime]


MODELS = (PHOBERT, VISOBERT_SENTIMENT)


def fetch(tools: ModelTools, models: tuple[LanguageModel, ...] = MODELS) -> PipelineResult:
    """Download what is not here yet, check every file, and put each model in place as a whole.

    ArtifactError at the first model that cannot be had; the ones before it are in place.
    """
    fetched = [_fetch_one(model, tools) for model in models]
    n_new = sum(report["was_downloaded"] for report in fetched)
    return PipelineResult.model_validate(
        {
            "status": Status.SUCCESS if n_new else Status.SKIPPED,
            "message": f"{n_new} of {len(models)} models fetched, the others were here",
            "models": fetched,
        }
    )


def status(tools: ModelTools) -> PipelineResult:
    """Which weights are here, from where, and what made the embeddings in force."""
    reports = [_describe(model, tools) for model in MODELS]
    absent = [report["model"] for report in reports if not report["is_here"]]
    loose = [report["model"] for report in reports if report["pinned_by"] is None]
    current = tools.embeddings.current()
    return PipelineResult.model_validate(
        {
            "status": Status.WARNING if absent or loose else Status.SUCCESS,
            "message": _status_message(absent, loose),
            "models": reports,
            "embeddings_made_by": current.model if current else None,
            "embeddings_degraded": current.degraded if current else None,
        }
    )


def _status_message(absent: list[str], loose: list[str]) -> str:
    """What is missing, and which models another machine might fetch at another commit."""
    parts = [f"Not here: {', '.join(absent)}. Run: {FETCH_COMMAND}"] if absent else []
    if loose:
        parts.append(
            f"Not pinned to a commit: {', '.join(loose)}. {FETCH_COMMAND} pins it, or put a commit "
            "into the settings, so that every machine fetches the same weights."
        )
    return " ".join(parts) or "All weights are here"


def _fetch_one(model: LanguageModel, tools: ModelTools) -> dict[str, Any]:
    wanted, home = tools.revisions[model.model_id], tools.folders.home(model)
    here = _located(model, wanted, tools)
    if here is not None and is_commit(here.revision):
        _pin(model, wanted, here.revision, tools)
        return _fetched(model, here.revision, here.folder, was_downloaded=False)
    published = tools.hub.look_up(model, tools.folders.resolved(model, wanted))
    missing = model.missing_files(published.files)
    if missing:
        raise ArtifactError(
            f"{model.model_id} at {published.commit} has no {', '.join(missing)}: "
            "another revision is needed, see the settings embeddings.revision and comments.revision"
        )
    incoming = home.with_name(f".incoming-{model.folder_name}-{published.commit[:12]}")
    names = model.wanted_files(published.files)
    for name in names:
        log.info("downloading", model=model.model_id, file=name, bytes=published.files[name].size)
        tools.hub.download(model, published, name, incoming)
    _record_source(model, published, names, incoming, tools)
    _put_in_place(incoming, home)
    _pin(model, wanted, published.commit, tools)
    return _fetched(model, published.commit, home, was_downloaded=True)


def _pin(model: LanguageModel, wanted: str, commit: str, tools: ModelTools) -> None:
    """A branch is resolved once: weights never change under a shop without a changed setting."""
    if not is_commit(wanted):
        tools.folders.pin(model, wanted, commit)


def _located(model: LanguageModel, revision: str, tools: ModelTools) -> LocatedModel | None:
    try:
        return tools.folders.locate(model, revision)
    except ArtifactError:
        return None


def _record_source(
    model: LanguageModel,
    published: PublishedModel,
    names: list[str],
    folder: Path,
    tools: ModelTools,
) -> None:
    atomic_files.write_json(
        folder / SOURCE,
        {
            "model": model.model_id,
            "revision": published.commit,
            "fetched_at_utc": tools.now().astimezone(UTC).isoformat(timespec="seconds"),
            "sha256": {name: atomic_files.sha256(folder / name) for name in names},
        },
    )


def _put_in_place(incoming: Path, home: Path) -> None:
    """Swap folders; a crash in between leaves the new one complete beside its place."""
    shutil.rmtree(incoming / ".cache", ignore_errors=True)
    former = home.with_name(f".former-{home.name}")
    shutil.rmtree(former, ignore_errors=True)
    if home.exists():
        home.replace(former)
    incoming.replace(home)
    shutil.rmtree(former, ignore_errors=True)


def _fetched(
    model: LanguageModel, commit: str, folder: Path, *, was_downloaded: bool
) -> dict[str, Any]:
    return {
        "model": model.model_id,
        "role": model.role.value,
        "revision": commit,
        "folder": str(folder),
        "was_downloaded": was_downloaded,
    }


def _describe(model: LanguageModel, tools: ModelTools) -> dict[str, Any]:
    wanted = tools.revisions[model.model_id]
    report: dict[str, Any] = {
        "model": model.model_id,
        "role": model.role.value,
        "wanted_revision": wanted,
        "pinned_to": None,
        "pinned_by": None,
    }
    try:
        if is_commit(pinned := tools.folders.resolved(model, wanted)):
            by = "settings" if pinned == wanted else PINS
            report |= {"pinned_to": pinned, "pinned_by": by}
        located = tools.folders.locate(model, wanted)
    except ArtifactError as error:
        return {**report, "is_here": False, "reason": str(error)}
    return {
        **report,
        "is_here": True,
        "revision": located.revision,
        "folder": str(located.folder),
        "place": located.place,
    }
