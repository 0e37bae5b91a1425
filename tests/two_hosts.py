"""Two hosts of one shop: processes with folders and names of their own, one database."""

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import psutil
from doors import run
from sqlalchemy import text
from waiting import wait_for

from viecomrec.adapters.occurrences import OccurrenceStore
from viecomrec.adapters.postgres import PostgresDatabase
from viecomrec.domain.occurrences import State

TESTS = Path(__file__).resolve().parent
PATIENCE = 120
LEASE_SECONDS = float(os.environ.get("VIECOMREC_TEST_LEASE_SECONDS", "6"))
SPEED = 60
JOB = "data_refresh"
WORK = (
    "import os, sys; told = os.environ; file = open(sys.argv[1], 'a'); "
    "file.write(told['VIECOMREC_NOMINAL_UTC'] + ' ' + told['VIECOMREC_HOST_ID'] + '\\n')"
)


def kill(process):
    """End a process that may have ended by itself meanwhile."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process.kill()


class Host:
    """One machine of two: its own folder, its own name, the clock of both."""

    def __init__(self, root, name, url, deeds, origin):
        self.root, self.name, self.url = root / name, name, url
        self.deeds, self.origin = deeds, origin
        self.process = None
        self.more = {}
        (self.root / "config").mkdir(parents=True)
        registry = self.root / "artifacts" / "cf" / "registry.json"
        registry.parent.mkdir(parents=True)
        registry.write_text(json.dumps({"models": {"1": {}}}))

    def configure(self, work=WORK, minutes=3):
        schedule = {"minute": f"*/{minutes}"}
        job = {
            "schedule": schedule,
            "module": "automation.data_refresh",
            "args": [work, str(self.deeds)],
        }
        content = {"timezone": "UTC", "jobs": {JOB: job}}
        (self.root / "config" / "scheduler_config.json").write_text(json.dumps(content))

    def settings(self):
        return {
            "PYTHONPATH": str(TESTS.parent),
            "DATABASE_URL": self.url,
            "VIECOMREC_HOST_ID": self.name,
            "VIECOMREC_DATABASE__LEASE_SECONDS": str(LEASE_SECONDS),
            "VIECOMREC_SCHEDULER__DRAIN_SECONDS": "5",
            **self.more,
        }

    def door(self, *arguments):
        return run("scheduler", *arguments, project=self.root, **self.settings())

    def start(self):
        environment = {**os.environ, "PROJECT_DIR": str(self.root), **self.settings()}
        with (self.root / "output.log").open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, str(TESTS / "scheduler_driver.py"), str(SPEED), str(self.origin)],
                cwd=self.root,
                env=environment,
                stdout=output,
                stderr=output,
            )

    def log(self):
        return (self.root / "output.log").read_text("utf-8")

    def end(self):
        if self.process is None or self.process.poll() is not None:
            return
        for process in [*psutil.Process(self.process.pid).children(recursive=True)]:
            kill(process)
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()
        self.process = None


class Pair:
    def __init__(self, root, url):
        self.deeds = root / "deeds.txt"
        self.deeds.touch()
        origin = time.time()
        self.hosts = {name: Host(root, name, url, self.deeds, origin) for name in ("a", "b")}
        self.database = PostgresDatabase(url, patience_seconds=PATIENCE)
        self.store = OccurrenceStore(self.database)

    def start(self, **configuration):
        for host in self.hosts.values():
            host.configure(**configuration)
        self.hosts["a"].start()
        wait_for(lambda: self.leader() == "a", "the first scheduler")
        self.hosts["b"].start()
        wait_for(lambda: "stands by" in self.hosts["b"].log(), "the second scheduler")

    def leader(self):
        with self.database.transaction() as connection:
            return connection.execute(
                text("SELECT host FROM leases WHERE name = 'scheduler' AND token IS NOT NULL")
            ).scalar_one_or_none()

    def done(self):
        return [line.split() for line in self.deeds.read_text().splitlines()]

    def wait_for_deeds(self, host, more=2):
        before = len([one for _, one in self.done() if one == host])
        wait_for(
            lambda: len([one for _, one in self.done() if one == host]) >= before + more,
            f"deeds of {host}",
        )

    def require_once_each(self):
        """Every nominal time has one row, none is missing between, and none was done twice."""
        twice = {nominal: n for nominal, n in Counter(at for at, _ in self.done()).items() if n > 1}
        assert twice == {}
        rows = sorted(self.store.recent(JOB, limit=10_000), key=lambda row: row.nominal_utc)
        gaps = [
            (one.nominal_utc, following.nominal_utc)
            for one, following in itertools.pairwise(rows)
            if following.nominal_utc - one.nominal_utc != timedelta(minutes=3)
        ]
        assert gaps == []
        done = {datetime.fromisoformat(at) for at, _ in self.done()}
        ended = {row.nominal_utc for row in rows if row.state is State.RAN and row.exit_code == 0}
        assert ended <= done

    def end(self):
        for host in self.hosts.values():
            host.end()
        roots = {str(host.root) for host in self.hosts.values()}
        for process in psutil.process_iter(["environ"]):  # what was started in the background
            if (process.info["environ"] or {}).get("PROJECT_DIR") in roots:
                kill(process)
        self.database.close()
