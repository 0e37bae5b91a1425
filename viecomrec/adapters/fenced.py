"""Pointers and the registry of an installation that several hosts work on, behind a fence."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from viecomrec.adapters.shared_artifacts import Artifacts
from viecomrec.adapters.sharing import Kept, KeptFile, KeptFolders


@dataclass(frozen=True)
class FencedFile:
    """As the file that it stands before; `require` raises where this process may not publish."""

    file: KeptFile
    require: Callable[[], None]

    def read(self) -> bytes | None:
        return self.file.read()

    def replace(self, content: bytes) -> None:
        """Asked at the last moment: what was prepared for hours is published in one step."""
        self.require()
        self.file.replace(content)

    def adopt(self) -> bool:
        return self.file.adopt()


@dataclass(frozen=True)
class FencedArtifacts:
    """As the artifacts that it stands before, with every small file behind the fence."""

    artifacts: Artifacts
    require: Callable[[], None]

    @property
    def url(self) -> str | None:
        return self.artifacts.url

    def file(self, key: str, file: Path, mode: int | None = None) -> KeptFile:
        return FencedFile(self.artifacts.file(key, file, mode), self.require)

    def versions(self, kind: str, root: Path, pointer: Path) -> Kept:
        kept = self.artifacts.versions(kind, root, pointer)
        return Kept(FencedFile(kept.pointer, self.require), kept.folders)

    def models(self, root: Path) -> Mapping[str, KeptFolders]:
        return self.artifacts.models(root)

    def check(self) -> None:
        self.artifacts.check()
