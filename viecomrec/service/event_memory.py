"""Events since the snapshot: on disk first, then in the memory of every worker."""

import threading
from collections.abc import Sequence

from viecomrec.adapters.erased_users import ErasedUsersFile
from viecomrec.adapters.staging import StagingLog
from viecomrec.domain.events import Event
from viecomrec.domain.fresh_events import FreshEvents


class EventMemory:
    """Keeps `fresh` in step with the staging log.

    Files are read and parsed under one lock, `fresh` is changed under another one that is held
    for moments: an event loop may acknowledge events while a thread reads the whole log.
    """

    def __init__(self, fresh: FreshEvents, log: StagingLog, erased: ErasedUsersFile) -> None:
        self.fresh = fresh
        self._log = log
        self._erased = erased
        self._position: dict[str, int] = {}
        self._reading = threading.Lock()
        self._changing = threading.Lock()
        self._arrived: list[Event] = []
        """Acknowledged while the log is read anew; the reading may have missed them."""

        self._is_restarting = False

    def poll(self) -> None:
        """Take in what any process has written since the last look."""
        with self._reading:
            self.fresh.erased = self._erased.read()
            events, self._position = self._log.read_from(self._position)
            with self._changing:
                self.fresh.add(events)

    def acknowledge(self, events: Sequence[Event]) -> int:
        """Take in events that are on disk; how many of them were new."""
        with self._changing:
            if self._is_restarting:
                self._arrived.extend(events)
            return self.fresh.add(events)

    def restart(self) -> None:
        """Keep only what the staging log still holds: a new snapshot has taken in the rest."""
        with self._reading:
            self._is_restarting = True
            self.fresh.erased = self._erased.read()
            events, self._position = self._log.read_from({})
            anew = self.fresh.emptied()
            anew.add(events)
            with self._changing:
                anew.add(self._arrived)
                self.fresh.take_over(anew)
                self._arrived, self._is_restarting = [], False
