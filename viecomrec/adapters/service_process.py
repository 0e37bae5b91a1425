"""The real service as a child process on a free loopback port."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from viecomrec.adapters.door_process import door_environment, log_tail
from viecomrec.errors import ServiceError

LOOPBACK = "127.0.0.1"
ATTEMPTS = 3
POLL_SECONDS = 0.1


@contextmanager
def running_service(
    project_dir: Path, log_file: Path, *, start_seconds: float = 60.0, stop_seconds: float = 10.0
) -> Iterator[str]:
    """Start the service, yield its address once it listens, and end it by its process id.

    ServiceError if it does not come up. A port taken in the last moment is replaced by another.
    """
    log_file.parent.mkdir(parents=True, exist_ok=True)
    process, port = _start(project_dir, log_file, start_seconds)
    try:
        yield f"http://{LOOPBACK}:{port}"
    finally:
        _stop(process, stop_seconds)


def _start(
    project_dir: Path, log_file: Path, start_seconds: float
) -> tuple["subprocess.Popen[bytes]", int]:
    for _ in range(ATTEMPTS):
        port = _free_port()
        with log_file.open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 - our own module, no shell
                [sys.executable, "-m", "automation.serve", "--port", str(port)],
                env=door_environment(project_dir),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            if _wait_until_listening(process, port, start_seconds):
                return process, port
        except BaseException:
            _stop(process, stop_seconds=10.0)
            raise
    raise ServiceError(f"The service ended while it started. {log_tail(log_file)}")


def _wait_until_listening(
    process: "subprocess.Popen[bytes]", port: int, start_seconds: float
) -> bool:
    """True once it listens on the port, False if the process ended first."""
    deadline = time.monotonic() + start_seconds
    while process.poll() is None:
        if _listens(process.pid, port):
            return True
        if time.monotonic() > deadline:
            raise ServiceError(f"The service did not listen within {start_seconds:.0f} s.")
        time.sleep(POLL_SECONDS)
    return False


def _listens(pid: int, port: int) -> bool:
    """Whether this very process listens; somebody else on the port does not count."""
    try:
        connections = psutil.Process(pid).net_connections(kind="tcp")
    except psutil.Error:  # it ended between two looks
        return False
    return any(one.status == psutil.CONN_LISTEN and one.laddr.port == port for one in connections)


def _stop(process: "subprocess.Popen[bytes]", stop_seconds: float) -> None:
    process.terminate()
    try:
        process.wait(stop_seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
