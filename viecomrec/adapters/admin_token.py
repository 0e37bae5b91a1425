"""The secret that a caller must know to change anything."""

import secrets
from pathlib import Path

from viecomrec.adapters import atomic_files
from viecomrec.errors import ConfigurationError

MIN_LENGTH = 16


class AdminToken:
    """The configured token, else the one in the installation's token file (mode 0600)."""

    def __init__(self, file: Path, configured: str | None = None) -> None:
        self._file = file
        self._configured = configured

    @property
    def is_configured(self) -> bool:
        """True where an operator chose the token; False where it lies in our own file."""
        return bool(self._configured)

    def read(self) -> str | None:
        """The token in force, or None where the service has never been started."""
        if self._configured is not None:
            return _checked(self._configured, "VIECOMREC_ADMIN_TOKEN")
        if not self._file.is_file():
            return None
        return _checked(self._file.read_text(encoding="utf-8").strip(), str(self._file))

    def ensure(self) -> str:
        """The token in force; the file is created where there is none yet."""
        token = self.read()
        if token is None:
            token = secrets.token_urlsafe(32)
            atomic_files.write_bytes(self._file, f"{token}\n".encode(), mode=0o600)
        return token


def _checked(token: str, origin: str) -> str:
    if len(token) < MIN_LENGTH or not token.isascii() or not token.isprintable():
        raise ConfigurationError(
            f"{origin} must hold at least {MIN_LENGTH} printable ASCII characters. "
            "Make one with: python -c 'import secrets; print(secrets.token_urlsafe(32))'"
        )
    return token
