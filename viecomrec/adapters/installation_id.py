"""The name of one installation: a service of another shop is recognised by it."""

import json
import uuid
from pathlib import Path

from filelock import FileLock

from viecomrec.adapters import atomic_files
from viecomrec.adapters.sharing import KeptFile, OwnFile
from viecomrec.errors import ConfigurationError, StoreChangedError


class InstallationId:
    """`artifacts/installation.json`: written once, never changed.

    `kept` is given where several hosts are one installation.
    """

    def __init__(self, file: Path, kept: KeptFile | None = None) -> None:
        self._file = file
        self._kept = kept or OwnFile(file)

    def read(self) -> str | None:
        """The id, or None where nothing has asked for one yet."""
        content = self._kept.read()
        if content is None:
            return None
        try:
            return str(json.loads(content)["installation_id"])
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigurationError(
                f"{self._file} is damaged ({error}). Move it away to get a new id."
            ) from error

    def ensure(self) -> str:
        """The id; of several processes that start at once, one makes it and all read the same."""
        known = self.read()
        if known is not None:
            return known
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self._file.with_name(".installation.lock"), timeout=30):
            known = self.read()
            return self._made() if known is None else known

    def _made(self) -> str:
        made = uuid.uuid4().hex
        try:
            self._kept.replace(atomic_files.json_bytes({"installation_id": made}))
        except StoreChangedError:
            return self.read() or made  # another host was quicker
        return made
