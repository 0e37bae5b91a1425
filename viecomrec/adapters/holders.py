"""Who holds the locks of pipelines, and holding several of them for a while."""

import platform
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from viecomrec.adapters.kernel_lock import KernelLock, is_locked, kernel_lock_file
from viecomrec.adapters.locks import Holder


def is_alive(holder: Holder) -> bool | None:
    """Whether the holder's process still runs; None where this machine cannot know."""
    import psutil

    if holder.host != platform.node():
        return None
    try:
        # Created a moment before it took the lock: a reused process id is younger.
        return bool(psutil.Process(holder.pid).create_time() <= holder.since.timestamp() + 1)
    except psutil.NoSuchProcess:
        return False


def is_running(locks: Path, pipeline: str) -> bool:
    """Whether somebody holds the pipeline's kernel lock, whatever the visible file says.

    Asking takes the lock for an instant. To act on the answer use `held` instead.
    """
    return is_locked(locks, pipeline)


@contextmanager
def held(locks: Path, pipelines: Iterable[str]) -> Iterator[list[str]]:
    """Hold the pipelines' kernel locks, so that none of them begins meanwhile.

    Yields the names of those that somebody else holds; nothing may be done to their files.
    """
    taken, busy = [], []
    try:
        for pipeline in pipelines:
            lock = KernelLock(kernel_lock_file(locks, pipeline))
            if lock.acquire():
                taken.append(lock)
            else:
                busy.append(pipeline)
        yield busy
    finally:
        for lock in taken:
            lock.release()
