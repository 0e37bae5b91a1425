"""`data/erased_users.json`: the erasures that every later reading of data respects."""

import hashlib
import json
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from viecomrec.adapters.sharing import KeptFile, OwnFile
from viecomrec.domain.erasure import ErasedUsers
from viecomrec.errors import ConfigurationError, StoreChangedError

SALT_BYTES = 16
# Ids that are numbers can be tried out one by one, so the file is for its owner alone.
MODE = 0o600


class ErasedUsersFile:
    """Read again only when the file changed, so that asking for each request is cheap.

    `kept` is given where several hosts respect the same erasures; `pull` asks for the others'.
    """

    def __init__(self, file: Path, kept: KeptFile | None = None) -> None:
        self._file = file
        self._kept = kept or OwnFile(file, MODE)
        self._state: tuple[int, int] | None = None
        self._known = ErasedUsers("", {})

    def read(self) -> ErasedUsers:
        """The erasures in force. Raises ConfigurationError where the file is damaged."""
        try:
            stat = self._file.stat()
        except FileNotFoundError:
            return ErasedUsers("", {})
        state = (stat.st_mtime_ns, stat.st_ino)
        if state != self._state:
            self._known, self._state = self._parsed(self._file.read_bytes()), state
        return self._known

    def pull(self) -> None:
        """Take in what other hosts erased."""
        self._kept.read()

    def add(self, user_id: str, at: datetime) -> ErasedUsers:
        """Record an erasure durably before anything is deleted."""

        def added(known: ErasedUsers) -> ErasedUsers:
            salt = known.salt or secrets.token_hex(SALT_BYTES)
            named = ErasedUsers(salt, known.erased_at).name(user_id)
            return ErasedUsers(salt, {**known.erased_at, named: at.astimezone(UTC)})

        return self._changed(added)

    def take_in(self, others: ErasedUsers) -> None:
        """Respect the erasures of another file too, as after a backup was brought back.

        Raises ConfigurationError where the two were salted apart: their names cannot be told.
        """
        if not others.erased_at:
            return

        def united(known: ErasedUsers) -> ErasedUsers:
            if known.erased_at and known.salt != others.salt:
                raise ConfigurationError(
                    f"{self._file} and the erasures made here have different salts, so they "
                    "belong to different shops. Restore into an empty folder instead."
                )
            return ErasedUsers(others.salt, {**known.erased_at, **others.erased_at})

        self._changed(united)

    def _changed(self, change: Callable[[ErasedUsers], ErasedUsers]) -> ErasedUsers:
        """Apply a change to what is in force; again where another host was quicker."""
        while True:
            before = self._kept.read()
            erased = change(ErasedUsers("", {}) if before is None else self._parsed(before))
            try:
                self._kept.replace(_as_bytes(erased))
            except StoreChangedError:
                continue
            return erased

    def fingerprint(self) -> str:
        """Changes with every erasure on any host, so that the next refresh is never skipped."""
        self.pull()
        instants = self.read().erased_at
        if not instants:
            return "none"
        return hashlib.sha256(repr(sorted(instants.items())).encode()).hexdigest()[:16]

    def latest(self) -> datetime:
        """The instant of the last erasure; call it only where there was one."""
        return max(self.read().erased_at.values())

    def _parsed(self, file: bytes) -> ErasedUsers:
        try:
            content = json.loads(file)
            instants = {
                name: datetime.fromisoformat(at) for name, at in content["erased_at_utc"].items()
            }
            return ErasedUsers(content["salt"], instants)
        except (ValueError, KeyError, AttributeError) as error:
            raise ConfigurationError(
                f"{self._file} is damaged ({error}). Restore it from a backup: without it people "
                "who asked to be forgotten would come back."
            ) from error


def _as_bytes(erased: ErasedUsers) -> bytes:
    instants = {name: instant.isoformat() for name, instant in erased.erased_at.items()}
    content = {"schema_version": 1, "salt": erased.salt, "erased_at_utc": instants}
    return json.dumps(content, indent=2).encode()
