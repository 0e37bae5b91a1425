"""The one place where adapters are chosen and built.

Every import of an adapter stands in the method that builds it: a door pays only for what it
uses.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from viecomrec.bootstrap.hosts import LOCK_TIMEOUT_SECONDS, utc_now
from viecomrec.bootstrap.operations import Operations
from viecomrec.errors import EngineError
from viecomrec.paths import ProjectPaths
from viecomrec.settings import find_paths, load_settings

if TYPE_CHECKING:
    from viecomrec.adapters.ledger import Ledger
    from viecomrec.adapters.locks import PipelineLock
    from viecomrec.domain.comment_quality import CommentScorer

__all__ = [
    "LOCK_TIMEOUT_SECONDS",
    "Installation",
    "open_installation",
    "pipeline_lock",
    "pipeline_tracker",
    "send_pipeline_alert",
    "stored_scorer",
    "utc_now",
]


@dataclass(frozen=True)
class Installation(Operations):
    """One shop's installation: its places, its settings, and the adapters built from them."""


def open_installation(start: Path | None = None) -> Installation:
    """Open the installation that `PROJECT_DIR`, or the folder `start`, points at."""
    paths = find_paths(start)
    installation = Installation(paths, load_settings(paths))
    _ = installation.artifacts  # a wrong address is said at the start, as every wrong setting
    return installation


@cache
def stored_scorer(root: str) -> "CommentScorer":
    """The comment scorer that the installation at `root` has; for the workers of an engine."""
    paths = ProjectPaths(Path(root))
    scoring = Installation(paths, load_settings(paths)).comment_scoring()
    return scoring.scorer(fit=_not_in_a_worker, some_comments=_not_in_a_worker)


def _not_in_a_worker() -> NoReturn:
    raise EngineError(
        "A worker found no comment scorer in the shop's folder. The folder must be the same for "
        "every worker: put it on a file system that all of them mount."
    )


# The guide's `scripts.utils`: the same tools for the installation at the current folder.


def pipeline_tracker() -> "Ledger":
    """The ledger of the installation that `PROJECT_DIR` or the current folder points at."""
    return open_installation().ledger


def pipeline_lock(name: str, timeout: float = LOCK_TIMEOUT_SECONDS) -> "PipelineLock":
    """The lock of one pipeline of that installation; `timeout` is in seconds."""
    return open_installation().lock_for(name, timeout)


def send_pipeline_alert(
    pipeline_name: str,
    severity: str,
    message: str,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Send an alert of severity info, warning or error on the installation's channels."""
    open_installation().alerts.send(pipeline_name, severity, message, details)
