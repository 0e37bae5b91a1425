"""The scheduler as a process: one per project, ticking until it is told to stop."""

import logging
import logging.handlers
import secrets
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from viecomrec.adapters.dead_man_switch import Sign
from viecomrec.adapters.leadership import Leadership
from viecomrec.adapters.locks import PipelineLock, name_run
from viecomrec.adapters.scheduler_files import StopRequest
from viecomrec.adapters.ticking import TickingScheduler, notify_systemd
from viecomrec.domain.results import PipelineResult, Status
from viecomrec.errors import DatabaseAwayError
from viecomrec.pipelines.scheduler import SCHEDULER, Scheduler

log = structlog.get_logger()

TICK_SECONDS = 1.0
STOPPED = "The scheduler stopped as asked."
TELL_EVERY_SECONDS = 60.0
LOCK_PATIENCE_SECONDS = 2.0
SCHEDULER_LOG_BYTES = 5_000_000
SCHEDULER_LOG_FILES = 3


@dataclass(frozen=True)
class ProcessTools:
    lock: PipelineLock
    """Of this machine: held from the start to the end, leading or standing by."""

    locks: Path
    stop_request: StopRequest
    log_file: Path
    notify_socket: str | None
    drain_seconds: float
    tell: Callable[[str, Sign], object]
    """Signs of life for somebody outside who notices silence."""

    leadership: Leadership | None = None
    """Among the hosts that share a database; None where no other host may lead."""


class SchedulerProcess:
    """Ticks while it leads; stops on SIGTERM, SIGINT or a stop request."""

    def __init__(self, build: Callable[[], Scheduler], tools: ProcessTools) -> None:
        self._build = build
        self._tools = tools
        self._run_id = f"{SCHEDULER}_{secrets.token_hex(4)}"
        self._is_told_to_stop = False
        self._is_replaced = False
        self._tell_at = 0.0

    def run(self) -> PipelineResult:
        """Block until told to stop; jobs that still run then are drained, at last ended.

        Where other hosts share the ledger, it stands by while one of them leads, and again when
        it lost its lease to one.
        """
        if not acquire_patiently(self._tools.lock):
            return PipelineResult(status=Status.FAILED, message=self._say_who_holds())
        try:
            log_to_file(self._tools.log_file)
            name_run(self._tools.locks, SCHEDULER, self._run_id)
            return self._lead_or_stand_by()
        finally:
            self._tools.stop_request.clear()
            self._tools.lock.release()

    def _lead_or_stand_by(self) -> PipelineResult:
        leadership = self._tools.leadership
        if leadership is None:
            return self._lead()
        self._listen_to_signals()
        self._build()  # a wrong configuration is told now, not at the moment of taking over
        while self._stand_by(leadership):
            try:
                self._lead()
            finally:
                leadership.release()
        return PipelineResult(status=Status.SUCCESS, message=STOPPED)

    def _listen_to_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._be_told_to_stop())

    def _be_told_to_stop(self) -> None:
        # No more than this: waking the loop from a signal takes a lock that the interrupted
        # thread may hold, and the next tick comes within a second anyway.
        self._is_told_to_stop = True

    def _is_to_stop(self) -> bool:
        """By a signal or by a request; once told, it stays told."""
        if self._tools.stop_request.is_for(self._run_id):
            self._is_told_to_stop = True
        return self._is_told_to_stop

    def _stand_by(self, leadership: Leadership) -> bool:
        """Wait until this host leads; False when told to stop first."""
        said = ""
        while not self._is_to_stop():
            if not self._hold_machine():
                log.error("another scheduler took over on this host; this one ends")
                return False
            situation = self._try_to_lead(leadership)
            if situation is None:
                return True
            if situation != said:
                log.info(situation)
            said = situation
            # For systemd a scheduler that stands by is ready and alive.
            notify_systemd(self._tools.notify_socket, "READY=1")
            notify_systemd(self._tools.notify_socket, "WATCHDOG=1")
            time.sleep(TICK_SECONDS)
        log.info("scheduler stopped while it stood by")
        return False

    def _try_to_lead(self, leadership: Leadership) -> str | None:
        """None when this host leads now, else why it does not."""
        try:
            if leadership.acquire():
                return None
            leader = leadership.leader()
        except DatabaseAwayError as error:
            return f"stands by for the database: {error}"
        if leader is None:  # its lease ended just now
            return "stands by until a host leads"
        return f"stands by: the scheduler on the host {leader.host} leads"

    def _lead(self) -> PipelineResult:
        self._is_replaced = False
        try:
            return self._tick_until_stopped(self._build())
        except Exception:
            self._tools.tell(SCHEDULER, Sign.FAILURE)
            raise

    def _tick_until_stopped(self, scheduler: Scheduler) -> PipelineResult:
        scheduler.check_ledger()
        loop = TickingScheduler(lambda: self._tick(scheduler, loop), TICK_SECONDS)
        self._listen_to_signals()
        log.info("scheduler started", jobs=list(scheduler.config.jobs), run=self._run_id)
        notify_systemd(self._tools.notify_socket, "READY=1")
        self._tools.tell(SCHEDULER, Sign.START)
        loop.start()
        notify_systemd(self._tools.notify_socket, "STOPPING=1")
        log.info("scheduler stops", drain_seconds=self._tools.drain_seconds)
        if not self._is_replaced:
            scheduler.drain(self._tools.drain_seconds)
        log.info("scheduler stopped")
        return PipelineResult(status=Status.SUCCESS, message=STOPPED)

    def _tick(self, scheduler: Scheduler, loop: TickingScheduler) -> None:
        if self._is_to_stop():
            loop.shutdown(wait=False)
            return
        if not self._hold_on():
            log.error("another scheduler took over; this one starts nothing more")
            self._is_replaced = True
            loop.shutdown(wait=False)
            return
        scheduler.tick()
        notify_systemd(self._tools.notify_socket, "WATCHDOG=1")
        if time.monotonic() >= self._tell_at:
            self._tell_at = time.monotonic() + TELL_EVERY_SECONDS
            self._tools.tell(SCHEDULER, Sign.SUCCESS)

    def _hold_on(self) -> bool:
        """Whether this host still leads, and this process is still its scheduler."""
        leadership = self._tools.leadership
        return (leadership is None or leadership.is_ours) and self._hold_machine()

    def _hold_machine(self) -> bool:
        """Keep the lock of this machine and its visible file, whatever somebody deleted."""
        is_visible = self._tools.lock.holder is not None
        if not self._tools.lock.renew():
            return False
        if not is_visible:
            name_run(self._tools.locks, SCHEDULER, self._run_id)
        return True

    def _say_who_holds(self) -> str:
        holder = self._tools.lock.holder
        if holder is None:
            return "A scheduler runs already in this project."
        since = holder.since.isoformat(timespec="seconds")
        return (
            f"A scheduler runs already in this project: process {holder.pid} on {holder.host} "
            f"since {since}. Stop it with: python -m automation.scheduler stop"
        )


def acquire_patiently(lock: PipelineLock) -> bool:
    """Take the lock; somebody may hold it for an instant to look whether a scheduler runs."""
    deadline = time.monotonic() + LOCK_PATIENCE_SECONDS
    while not lock.acquire():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def log_to_file(file: Path) -> None:
    """Write the scheduler's log to its file, turned over in time, and to standard error."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handlers: list[logging.Handler] = [
        logging.handlers.RotatingFileHandler(
            file,
            maxBytes=SCHEDULER_LOG_BYTES,
            backupCount=SCHEDULER_LOG_FILES,
            encoding="utf-8",
            delay=True,
        ),
        logging.StreamHandler(sys.stderr),
    ]
    logger = logging.getLogger(f"viecomrec.{SCHEDULER}")
    logger.handlers, logger.propagate = handlers, False
    logger.setLevel(logging.INFO)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=False),
            structlog.dev.ConsoleRenderer(
                colors=False, exception_formatter=structlog.dev.plain_traceback
            ),
        ],
        logger_factory=lambda *_: logger,
        cache_logger_on_first_use=False,
    )
