"""What may be deleted: old, beyond what is kept, and referenced by nothing."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from viecomrec.domain.registry import ModelRecord, Registry

MIN_AGE = timedelta(hours=1)
"""Whatever is younger may still be in the making."""

BYTES_PER_MB = 1024 * 1024


@dataclass(frozen=True)
class Entry:
    """A file or folder that could go, with its real size."""

    name: str
    path: Path
    modified_at: datetime
    n_bytes: int
    is_folder: bool = False


@dataclass(frozen=True)
class CleanedUp:
    """What one kind of cleanup deleted, or would delete."""

    kind: str
    entries: tuple[Entry, ...] = ()
    note: str | None = None

    @property
    def n_bytes(self) -> int:
        return sum(entry.n_bytes for entry in self.entries)


def megabytes(n_bytes: int) -> float:
    return round(n_bytes / BYTES_PER_MB, 2)


def older_than(entries: Iterable[Entry], now: datetime, max_age: timedelta) -> list[Entry]:
    """Entries that nobody has written to for `max_age`, and never one younger than an hour."""
    limit = max(max_age, MIN_AGE)
    return [entry for entry in entries if now - entry.modified_at > limit]


def beyond_newest(
    entries: Sequence[Entry], keep: int, now: datetime, protected: Collection[str] = ()
) -> list[Entry]:
    """All but the `keep` newest; nothing protected by name, nothing younger than an hour."""
    by_age = sorted(entries, key=lambda entry: (entry.modified_at, entry.name), reverse=True)
    return [
        entry
        for entry in by_age[keep:]
        if entry.name not in protected and now - entry.modified_at > MIN_AGE
    ]


def referenced_models(registry: Registry, in_use: Collection[str] = ()) -> frozenset[str]:
    """Ids that something points at, or a person has pinned: they are never deleted."""
    pointers = (
        registry.current_best,
        registry.desired,
        registry.deployed,
        registry.rollback_target,
    )
    return frozenset({*(one for one in pointers if one is not None), *registry.pinned, *in_use})


def models_to_delete(
    registry: Registry,
    *,
    keep: int,
    referenced: Collection[str],
    now: datetime,
    modified_at: Callable[[ModelRecord], datetime | None],
) -> list[ModelRecord]:
    """Models beyond the `keep` newest of their type that nothing references.

    Their age counts from the later of what the registry and the folder say; a record whose
    time cannot be read is kept.
    """
    chosen = []
    for model_type in sorted({record.model_type for record in registry.models.values()}):
        dated = [
            (created, record)
            for record in registry.models.values()
            if record.model_type == model_type and (created := _created_at(record)) is not None
        ]
        dated.sort(key=lambda one: (one[0], one[1].model_id), reverse=True)
        for created, record in dated[keep:]:
            latest = max(created, modified_at(record) or created)
            if record.model_id not in referenced and now - latest > MIN_AGE:
                chosen.append(record)
    return chosen


def without_models(registry: Registry, model_ids: Collection[str]) -> Registry:
    """The registry without some records; a record that something points at stays."""
    gone = set(model_ids) - referenced_models(registry)
    models = {key: record for key, record in registry.models.items() if key not in gone}
    return registry.model_copy(update={"models": models})


def _created_at(record: ModelRecord) -> datetime | None:
    try:
        created = datetime.fromisoformat(record.created_at_utc)
    except ValueError:
        return None
    return created if created.tzinfo is not None else None
