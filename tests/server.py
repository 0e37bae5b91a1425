"""A real service on a free loopback port, ended by its process id."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
from installation import TOKEN

REPOSITORY = Path(__file__).resolve().parent.parent
AUTHORISED = {"Authorization": f"Bearer {TOKEN}"}
SECONDS_TO_START = 120


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start_service(root: Path, *flags: str, port: int | None = None) -> tuple[subprocess.Popen, str]:
    """Start `automation.serve` on `root` and return the process and the address it answers at."""
    port = port or free_port()
    environment = {**os.environ, "PROJECT_DIR": str(root), "VIECOMREC_ADMIN_TOKEN": TOKEN}
    with (root / "service.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "automation.serve", "--port", str(port), *flags],
            cwd=REPOSITORY,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=log,
        )
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline and process.poll() is None:
        try:
            httpx2.get(f"{url}/model_info", timeout=2)
        except httpx2.TransportError:
            time.sleep(0.05)
        else:
            return process, url
    process.kill()
    process.wait()
    raise AssertionError(f"the service did not start: {(root / 'service.log').read_text()}")


@contextmanager
def running_service(root: Path, *flags: str) -> Iterator[httpx2.Client]:
    process, url = start_service(root, *flags)
    try:
        with httpx2.Client(base_url=url, timeout=20) as client:
            yield client
    finally:
        process.terminate()
        process.wait(timeout=60)
