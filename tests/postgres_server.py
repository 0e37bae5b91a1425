"""A throw-away PostgreSQL cluster: made, stopped, started again and removed by a test.

It runs as an ordinary user, also where the tests run as root, on a free port of this machine.
"""

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path

BINARIES = (*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True), Path("/usr/bin"))
START_SECONDS = 60
PASSWORD = secrets.token_hex(12)


def binaries() -> Path | None:
    """Where initdb lies; None where PostgreSQL is not installed."""
    return next((folder for folder in BINARIES if (folder / "initdb").is_file()), None)


class Cluster:
    """A server with the superuser `shop`, who has a password."""

    def __init__(self) -> None:
        self._binaries = binaries()
        self._folder = Path(tempfile.mkdtemp(prefix="viecomrec-postgres-"))
        self._data = self._folder / "data"
        self._user = _ordinary_user()
        self._process: subprocess.Popen | None = None
        self.port = _free_port()
        self._make()

    def url(self, database: str = "postgres", password: str = PASSWORD) -> str:
        return f"postgresql://shop:{password}@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        """The address of an empty database."""
        name = f"shop_{secrets.token_hex(4)}"
        self.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def execute(self, statement: str, url: str | None = None) -> list:
        import psycopg

        with psycopg.connect(url or self.url(), autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def start(self) -> None:
        """Start the server and wait until it answers."""
        import psycopg

        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *self._as_user([str(self._binaries / "postgres"), "-D", str(self._data)]),
                    *("-p", str(self.port), "-h", "127.0.0.1", "-k", str(self._folder)),
                    *("-c", "fsync=off", "-c", "max_connections=100"),
                ],
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                psycopg.connect(self.url(), connect_timeout=5).close()
            except psycopg.OperationalError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise
                time.sleep(0.1)
            else:
                return

    def stop(self) -> None:
        """Cut every connection and end the server (a fast shutdown)."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(timeout=60)
            self._process = None

    def remove(self) -> None:
        with suppress(subprocess.TimeoutExpired):
            self.stop()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _make(self) -> None:
        word = self._folder / "password"
        word.write_text(PASSWORD, encoding="utf-8")
        if self._user:
            for path in (self._folder, word):
                shutil.chown(path, self._user)
        subprocess.run(
            self._as_user(
                [
                    *(str(self._binaries / "initdb"), "-D", str(self._data), "-U", "shop"),
                    *("--auth=scram-sha-256", f"--pwfile={word}", "-E", "UTF8", "--no-sync"),
                    "--locale=C.UTF-8",
                ]
            ),
            check=True,
            capture_output=True,
        )

    def _as_user(self, command: list[str]) -> list[str]:
        """As an ordinary user: PostgreSQL refuses to run as root."""
        if not self._user:
            return command
        # setpriv becomes the server itself, so that its process id is the one we know.
        setpriv = [f"--reuid={self._user}", f"--regid={pwd.getpwnam(self._user).pw_gid}"]
        return ["setpriv", *setpriv, "--clear-groups", "--", *command]


def _ordinary_user() -> str | None:
    if os.name == "nt" or os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in names)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
