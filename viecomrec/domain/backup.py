"""What a backup holds, and which archives may be restored."""

from collections.abc import Iterable
from pathlib import PurePosixPath

from pydantic import BaseModel, ConfigDict

from viecomrec.errors import BackupError

SCHEMA_VERSION = 1
MANIFEST = "backup.json"
TOP_FOLDERS = ("config", "data", "artifacts", "logs", "reports")


class BackupManifest(BaseModel):
    """The last member of the archive: without it the archive is not whole."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    schema_version: int = SCHEMA_VERSION
    created_at_utc: str
    program_version: str
    installation_id: str | None
    sha256: dict[str, str]
    """By name inside the archive."""


def require_restorable(manifest: BackupManifest, names: Iterable[str]) -> None:
    """Raise BackupError unless this program knows the archive and every name stays inside."""
    if manifest.schema_version > SCHEMA_VERSION:
        raise BackupError(
            f"The backup was made by a newer program (schema {manifest.schema_version}, this one "
            f"knows {SCHEMA_VERSION}). Restore it with that program."
        )
    found = set(names) - {MANIFEST}
    if found != set(manifest.sha256):
        missing = sorted(set(manifest.sha256) ^ found)[:3]
        raise BackupError(f"The backup is not whole: its list and its content differ in {missing}.")
    for name in found:
        path = PurePosixPath(name)
        inside = path.parts and path.parts[0] in TOP_FOLDERS and ".." not in path.parts
        if path.is_absolute() or "\\" in name or ":" in name or not inside:
            raise BackupError(f"The backup names {name!r}, which is no place of an installation.")
