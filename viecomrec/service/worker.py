"""One worker process: its live model, its counters, its event log, and the thread that follows."""

import gc
import sys
import threading
from typing import Any

import structlog
from threadpoolctl import threadpool_limits

from viecomrec.adapters.group_commit import GroupCommit
from viecomrec.adapters.worker_board import WorkerBoard
from viecomrec.bootstrap import Installation
from viecomrec.service.bundle import empty_fresh_events
from viecomrec.service.event_memory import EventMemory
from viecomrec.service.live import LiveModel
from viecomrec.service.traffic import TrafficCounters, total

log = structlog.get_logger()

FOLLOW_SECONDS = 0.2
SWITCH_SECONDS = 0.0005
LOOKS_BETWEEN_SWEEPS = 100


class Worker:
    """Everything that one process of the service owns; `start` and `stop` bracket its life."""

    def __init__(self, installation: Installation, board: WorkerBoard) -> None:
        self.installation = installation
        self.installation_id = installation.installation_id.ensure()
        self.board = board
        staging = installation.staging
        self.memory = EventMemory(
            empty_fresh_events(installation), staging, installation.erased_users
        )
        self.live = LiveModel(installation, self.memory, self.board)
        self.traffic = TrafficCounters()
        self.event_log = GroupCommit(staging.append)
        self._blas: threadpool_limits | None = None
        self._stopping = threading.Event()
        self._follower = threading.Thread(target=self._follow, name="follow", daemon=True)
        self._watcher = threading.Thread(target=self._watch, name="watch", daemon=True)

    def start(self) -> None:
        # A list's products are too small to share out: with a second thread, which waits by
        # spinning, they cost two to three times the CPU. Workers are what uses more cores.
        self._blas = threadpool_limits(limits=1, user_api="blas")
        self.live.start()
        # What lives as long as the process is not looked at by every garbage collection.
        gc.collect()
        gc.freeze()
        # The thread that follows gives way to a request within half a millisecond, not five.
        sys.setswitchinterval(SWITCH_SECONDS)
        self._report()
        self._follower.start()
        if self.installation.artifacts.url is not None:
            self._watcher.start()

    def stop(self) -> None:
        self._stopping.set()
        self._follower.join()
        self.event_log.close()
        self.board.leave()
        if self._blas is not None:
            self._blas.restore_original_limits()

    def states(self) -> list[dict[str, Any]]:
        """Of all workers: this one as it is now, the others as they were a moment ago."""
        return [self.state(), *self.board.others()]

    def total_traffic(self) -> TrafficCounters:
        bundle = self.live.serving.bundle
        return total(
            (state["traffic"] for state in self.states()), bundle.model_id if bundle else None
        )

    def state(self) -> dict[str, Any]:
        serving = self.live.serving
        bundle = serving.bundle
        status = "empty" if bundle is None else "degraded" if serving.problem else "ok"
        return {
            "pid": self.board.pid,
            "replica": self.board.replica,
            "model_id": bundle.model_id if bundle else None,
            "snapshot_version": bundle.shop.snapshot_version if bundle else None,
            "status": status,
            "traffic": self.traffic.state(),
        }

    def _follow(self) -> None:
        while not self._stopping.wait(FOLLOW_SECONDS):
            try:
                self.live.follow()
                self._report()
            except Exception:
                log.exception("following failed")

    def _watch(self) -> None:
        """Bring what other hosts publish, beside the answering; a store may take its time."""
        n_looks = 0
        while not self._stopping.wait(self.installation.settings.artifact_store.look_seconds):
            try:
                self.installation.look_for_news()
                self.live.look_again()
                if n_looks % LOOKS_BETWEEN_SWEEPS == 0:
                    self.installation.forget_removed()
                n_looks += 1
            except Exception:
                log.exception("looking for other hosts' news failed")

    def _report(self) -> None:
        self.board.report(self.state())
