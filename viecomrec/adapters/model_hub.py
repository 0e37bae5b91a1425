"""Download published models: resumed where a download broke off, every file checked by hash.

The hub's own client looks models up. It does not carry the files, since it neither continues a
download of an earlier run nor compares hashes.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import httpx2

from viecomrec.domain.language_models import LanguageModel
from viecomrec.errors import ArtifactError

TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True)
class PublishedFile:
    """Size in bytes, and the hash the hub announces: SHA-256 of large files, git's of others."""

    size: int
    sha256: str | None
    git_sha1: str | None

    def matches(self, file: Path) -> bool:
        if file.stat().st_size != self.size:
            return False
        if self.sha256 is not None:
            with file.open("rb") as content:
                return hashlib.file_digest(content, "sha256").hexdigest() == self.sha256
        header = b"blob %d\0" % self.size
        # Git names its objects by SHA-1; the large files, which matter, have a SHA-256.
        git = hashlib.sha1(header + file.read_bytes(), usedforsecurity=False)
        return git.hexdigest() == self.git_sha1


@dataclass(frozen=True)
class PublishedModel:
    """What the hub holds of a model at one commit."""

    commit: str
    files: Mapping[str, PublishedFile]


class ModelHub:
    """The hub at `address`, or the public one. Only files are fetched, nothing is run."""

    def __init__(self, address: str | None) -> None:
        self._address = address

    def look_up(self, model: LanguageModel, revision: str) -> PublishedModel:
        """Resolve a revision to its commit and files; ArtifactError if that cannot be done."""
        from huggingface_hub import HfApi

        try:
            info = HfApi(endpoint=self._address, token=False).model_info(
                model.model_id, revision=revision, files_metadata=True
            )
        # The client raises its own and its HTTP library's errors, and OSError without a network.
        except Exception as error:
            raise ArtifactError(
                f"{model.model_id} at revision {revision} cannot be looked up: "
                f"{_one_line(error)}. Check the network and the setting language_models.hub."
            ) from error
        files = {
            sibling.rfilename: PublishedFile(
                size=int(sibling.size or 0),
                sha256=sibling.lfs.sha256 if sibling.lfs else None,
                git_sha1=sibling.blob_id,
            )
            for sibling in info.siblings or []
        }
        return PublishedModel(str(info.sha), files)

    def download(
        self, model: LanguageModel, published: PublishedModel, name: str, folder: Path
    ) -> Path:
        """Bring one file into `folder`, continuing an earlier attempt, and check its hash.

        ArtifactError if the download breaks off (what arrived is kept) or the hash is wrong
        (what arrived is removed).
        """
        expected = published.files[name]
        file, partial = folder / name, folder / f"{name}.part"
        if file.is_file() and expected.matches(file):
            return file
        folder.mkdir(parents=True, exist_ok=True)
        try:
            _continue_download(self._url(model, published.commit, name), partial, expected.size)
        except (httpx2.HTTPError, OSError) as error:
            raise ArtifactError(
                f"The download of {model.model_id}/{name} broke off: {_one_line(error)}. "
                "Run the command again: it continues where it stopped."
            ) from error
        if not expected.matches(partial):
            partial.unlink()
            raise ArtifactError(
                f"{model.model_id}/{name} arrived with a wrong hash and was removed. Run the "
                "command again; if it comes wrong again, something alters files on the way."
            )
        partial.replace(file)
        return file

    def _url(self, model: LanguageModel, commit: str, name: str) -> str:
        from huggingface_hub import hf_hub_url

        return hf_hub_url(model.model_id, name, revision=commit, endpoint=self._address)


def _continue_download(url: str, partial: Path, size: int) -> None:
    """Bring `partial` to `size` bytes; a broken connection is taken up again while bytes arrive."""
    partial.touch()
    while (here := partial.stat().st_size) < size:
        failure: httpx2.TransportError | OSError = OSError("the server sent nothing")
        try:
            _append(url, partial, here)
        except httpx2.TransportError as error:
            failure = error
        if partial.stat().st_size <= here:
            raise failure


def _append(url: str, partial: Path, start: int) -> None:
    # Compressed answers cannot be continued at a byte position.
    headers = {"Accept-Encoding": "identity", "Range": f"bytes={start}-"}
    with httpx2.stream(
        "GET", url, headers=headers, follow_redirects=True, timeout=TIMEOUT_SECONDS
    ) as answer:
        answer.raise_for_status()
        is_continued = answer.status_code == HTTPStatus.PARTIAL_CONTENT
        with partial.open("ab" if is_continued else "wb") as file:
            for chunk in answer.iter_bytes():
                file.write(chunk)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
