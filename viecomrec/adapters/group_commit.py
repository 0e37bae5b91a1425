"""Many small durable writes as few large ones: whoever waits together shares one fsync."""

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from viecomrec.domain.events import Event

MAX_EVENTS_PER_WRITE = 5_000
_STOP = None

Waiting = tuple[Sequence[Event], "Future[None]"]
"""Events, and the future of the one who wants to know that they are on disk."""


class GroupCommit:
    """One thread writes; a future is done once its events are on disk, or has the error."""

    def __init__(self, append: Callable[[Sequence[Event]], None]) -> None:
        self._append = append
        self._waiting: queue.SimpleQueue[Waiting | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="group-commit", daemon=True)
        self._thread.start()

    def submit(self, events: Sequence[Event]) -> "Future[None]":
        written: Future[None] = Future()
        self._waiting.put((events, written))
        return written

    def close(self) -> None:
        """Write what waits, then end the thread."""
        self._waiting.put(_STOP)
        self._thread.join()

    def _work(self) -> None:
        while (first := self._waiting.get()) is not _STOP:
            taken, is_last = self._with_all_that_wait(first)
            # Who has gone away meanwhile was promised nothing, and can no longer be told.
            batch = [one for one in taken if one[1].set_running_or_notify_cancel()]
            self._write(batch)
            if is_last:
                return

    def _write(self, batch: list[Waiting]) -> None:
        try:
            self._append([event for events, _ in batch for event in events])
        except BaseException as error:  # noqa: BLE001 - it belongs to those who wait
            for _, written in batch:
                written.set_exception(error)
        else:
            for _, written in batch:
                written.set_result(None)

    def _with_all_that_wait(self, first: Waiting) -> tuple[list[Waiting], bool]:
        """What can be written at once, and whether the end was asked for."""
        batch = [first]
        n_events = len(first[0])
        while n_events < MAX_EVENTS_PER_WRITE:
            try:
                following = self._waiting.get_nowait()
            except queue.Empty:
                break
            if following is _STOP:
                return batch, True
            batch.append(following)
            n_events += len(following[0])
        return batch, False
