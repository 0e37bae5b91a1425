"""What stores keep their files through: alone on local disk, or shared with other hosts."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from viecomrec.adapters import atomic_files


@dataclass(frozen=True)
class SharedFolder:
    """A folder as the shared store holds it."""

    name: str
    n_bytes: int
    modified_at: datetime


class KeptFile(Protocol):
    """One small file: a pointer, the registry."""

    def read(self) -> bytes | None:
        """The content in force; None where there is none yet."""

    def replace(self, content: bytes) -> None:
        """Put `content` in the place of what `read` returned last, in one step.

        StoreChangedError where another host was quicker: read and decide again.
        """

    def adopt(self) -> bool:
        """Let others have this host's file; False where there is nothing to do."""


class KeptFolders(Protocol):
    """Folders of files that are written once, by name; each is used where it lies locally."""

    def bring(self, name: str) -> None:
        """Have the folder here, whole and checked; nothing happens where nobody has it."""

    def send(self, name: str, folder: Path) -> None:
        """Let others have the files of `folder` as `name`: as a whole, or not at all."""

    def claim(self, name: str) -> bool:
        """Reserve a name for this host; False where another host has it."""

    def listed(self) -> list[SharedFolder]:
        """What others can have, and what was left half-sent."""

    def send_again(self, name: str) -> None:
        """Let others have the local folder as it is now; what it was before is deleted."""

    def remove(self, name: str) -> None:
        """Let nobody have the folder any more; the local one is the caller's matter."""

    def forget_removed(self) -> None:
        """Delete local folders that others may no longer have."""

    def adopt(self) -> int:
        """Let others have all folders of this host; how many they did not have."""


@dataclass(frozen=True)
class Kept:
    """Where versions are kept, and the pointer to the one in force."""

    pointer: KeptFile
    folders: KeptFolders


class OwnFile:
    """The embedded default: the local file is all there is; `mode` restricts who may read it."""

    def __init__(self, file: Path, mode: int | None = None) -> None:
        self._file = file
        self._mode = mode

    def read(self) -> bytes | None:
        try:
            return self._file.read_bytes()
        except FileNotFoundError:
            return None

    def replace(self, content: bytes) -> None:
        atomic_files.write_bytes(self._file, content, mode=self._mode)

    def adopt(self) -> bool:
        return False


class OwnFolders:
    """The embedded default: the local folders are all there is."""

    def bring(self, name: str) -> None:
        """What lies here is all there is."""

    def send(self, name: str, folder: Path) -> None:
        """Nobody else is there."""

    def claim(self, name: str) -> bool:  # noqa: ARG002 - alone, every free name is ours
        return True

    def listed(self) -> list[SharedFolder]:
        return []

    def send_again(self, name: str) -> None:
        """Nobody else is there."""

    def remove(self, name: str) -> None:
        """Nobody else has it."""

    def forget_removed(self) -> None:
        """Nobody else removes anything."""

    def adopt(self) -> int:
        return 0


OWN_FOLDERS = OwnFolders()


def own(pointer: Path) -> Kept:
    return Kept(OwnFile(pointer), OWN_FOLDERS)
