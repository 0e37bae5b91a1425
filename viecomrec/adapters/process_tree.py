"""All processes that a job started, and their end: also of those in sessions of their own."""

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress

import psutil

JOB_TOKEN = "VIECOMREC_JOB_TOKEN"  # noqa: S105 - a name in the environment, not a secret
"""Every process of a job inherits this variable; its value is the job's claim."""

NEW_SESSION = sys.platform != "win32"
"""For `Popen(start_new_session=...)`: out of reach of the parent's terminal and group."""

if sys.platform == "win32":
    CREATION_FLAGS = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
else:
    CREATION_FLAGS = 0

PR_SET_CHILD_SUBREAPER = 36
KILL_ROUNDS = 20
KILL_WAIT_SECONDS = 0.5


def adopt_orphans() -> None:
    """Become the parent of descendants whose parent ends, so that none gets out of sight.

    Linux only. Elsewhere the token in the environment is what finds them.
    """
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def find_tree(token: str) -> list[psutil.Process]:
    """The living descendants of this process, and all processes that carry the token."""
    descendants = psutil.Process().children(recursive=True)
    found = {process.pid: process for process in descendants}
    for process in psutil.process_iter():
        if process.pid != os.getpid() and process.pid not in found and _carries(process, token):
            found[process.pid] = process
    return [process for process in found.values() if not _is_zombie(process)]


def end_tree(token: str, grace_seconds: float) -> bool:
    """Ask every process of the tree to end, then kill what is left; True if none is left."""
    asked = find_tree(token)
    for process in asked:
        with suppress(psutil.Error):
            process.terminate()
    _wait(asked, grace_seconds)
    for _ in range(KILL_ROUNDS):
        left = find_tree(token)
        if not left:
            return True
        for process in left:
            with suppress(psutil.Error):
                process.kill()
        _wait(left, KILL_WAIT_SECONDS)
    return not find_tree(token)


def _wait(processes: Sequence[psutil.Process], seconds: float) -> None:
    psutil.wait_procs(processes, timeout=seconds)


def _carries(process: psutil.Process, token: str) -> bool:
    try:
        return bool(process.environ().get(JOB_TOKEN) == token)
    except (psutil.Error, OSError):
        return False


def _is_zombie(process: psutil.Process) -> bool:
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return True
