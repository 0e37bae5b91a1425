"""Move an installation that kept its artifacts alone into a store for several hosts."""

from collections.abc import Sequence
from dataclasses import dataclass

from viecomrec.adapters.sharing import KeptFile, KeptFolders
from viecomrec.domain.results import PipelineResult, Status
from viecomrec.errors import ConfigurationError


@dataclass(frozen=True)
class UploadTools:
    """What is uploaded, in this order: pointers and the registry last."""

    url: str | None
    folders: Sequence[KeptFolders]
    files: Sequence[KeptFile]


def run(tools: UploadTools) -> PipelineResult:
    """Upload everything; again after an interruption, only what is missing.

    ArtifactStoreError where the store holds another installation: nothing of it is replaced.
    """
    if tools.url is None:
        raise ConfigurationError("Set ARTIFACT_URL to the store to upload to: s3://bucket/prefix")
    n_folders = sum(folders.adopt() for folders in tools.folders)
    n_files = sum(file.adopt() for file in tools.files)
    return PipelineResult(
        status=Status.SUCCESS,
        message=f"{tools.url} holds this installation; {n_folders} folders and {n_files} "
        "pointers were uploaded. Set ARTIFACT_URL on every host.",
        n_folders=n_folders,
        n_pointers=n_files,
    )
