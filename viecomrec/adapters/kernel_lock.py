"""Locks that only the kernel can take away: free at once when the holder dies, never before.

A lock lives on a file in a hidden folder beside `logs/locks/`, because the guide tells people
to delete `logs/locks/*.lock`. What they delete is information; the lock itself stays.
"""

import os
from contextlib import suppress
from pathlib import Path

from filelock import lock_descriptor, unlock_descriptor


class KernelLock:
    """An exclusive lock on one file, held by this process and by children given `descriptor`.

    The lock belongs to the open file: after `kill -9` of this process it stays held until the
    last child that inherited the descriptor is gone.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._descriptor: int | None = None
        self._owner_pid: int | None = None

    @property
    def is_held(self) -> bool:
        return self._descriptor is not None

    @property
    def descriptor(self) -> int | None:
        """For `pass_fds` of a child that belongs to the run; None while not held."""
        return self._descriptor

    def acquire(self) -> bool:
        """Take the lock at once, or return False because somebody holds it."""
        if self.is_held:
            return False
        self._file.parent.mkdir(parents=True, exist_ok=True)
        while True:
            flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)
            descriptor = os.open(self._file, flags, 0o666)
            if not lock_descriptor(descriptor, blocking=False):
                os.close(descriptor)
                return False
            if self._is_same_file(descriptor):
                self._descriptor = descriptor
                self._owner_pid = os.getpid()
                return True
            os.close(descriptor)  # deleted between opening and locking: lock the new file

    def renew(self) -> bool:
        """Hold the lock also where somebody deleted its file; False if another took it since."""
        if self._descriptor is None or self._is_same_file(self._descriptor):
            return self.is_held
        again = KernelLock(self._file)
        if not again.acquire():
            return False
        os.close(self._descriptor)
        self._descriptor = again._descriptor
        return True

    def release(self) -> None:
        """Free the lock. A forked child only closes its copy: the lock is its parent's."""
        if self._descriptor is None:
            return
        if self._owner_pid == os.getpid():
            unlock_descriptor(self._descriptor)
        os.close(self._descriptor)
        self._descriptor = None

    def discard(self) -> None:
        """Delete the file of a lock that nobody will ask for again, then free it."""
        if self._descriptor is not None:
            with suppress(OSError):  # Windows keeps an open file; it is empty and harmless
                self._file.unlink(missing_ok=True)
            self.release()

    def _is_same_file(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), self._file.stat())
        except FileNotFoundError:
            return False


def kernel_lock_file(folder: Path, name: str) -> Path:
    """Where the kernel lock of `name` lies: `logs/.locks/` for the visible `logs/locks/`."""
    return folder.with_name(f".{folder.name}") / name


def is_locked(folder: Path, name: str) -> bool:
    """Whether somebody, this process included, holds the lock of `name` now.

    Asking takes the lock for an instant, so ask only about locks that nobody else may want:
    the lock of one run, not that of a pipeline.
    """
    if not kernel_lock_file(folder, name).exists():
        return False
    probe = KernelLock(kernel_lock_file(folder, name))
    if not probe.acquire():
        return True
    probe.release()
    return False
