"""A process that is stopped after its last question and before its rename harms no other host."""

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from installation import NOW, TOKEN, write_installation, write_snapshot
from pydantic import SecretStr
from waiting import wait_for

from viecomrec.bootstrap import Installation
from viecomrec.paths import ProjectPaths
from viecomrec.settings import Settings

pytestmark = pytest.mark.skipif(os.name == "nt", reason="SIGSTOP is of POSIX")

TESTS = Path(__file__).resolve().parent.parent
PATIENCE = 120

STOPS_BEFORE_THE_RENAME = """
import os, signal, sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
import installation as shop
from viecomrec.adapters.sharing import OwnFile
from viecomrec.bootstrap import Installation
from viecomrec.errors import LeaseLostError
from viecomrec.paths import ProjectPaths
from viecomrec.settings import Settings

host = Installation(ProjectPaths(Path(sys.argv[1])), Settings(), lambda: shop.NOW)
assert host.lock("data_refresh").acquire()
rename = OwnFile.replace

def stopped(self, content):
    OwnFile.replace = rename
    print("asked", flush=True)
    os.kill(os.getpid(), signal.SIGSTOP)
    rename(self, content)

OwnFile.replace = stopped
shop.write_snapshot(host, n_extra_products=1)
print("made " + host.snapshots.require_current().version, flush=True)
try:
    host.require_leases()
except LeaseLostError:
    print("lost", flush=True)
"""


def host_of(root, url, name):
    settings = Settings(admin_token=TOKEN)
    database = settings.database.model_copy(update={"lease_seconds": 60.0})
    changes = {"database_url": SecretStr(url), "host_id": name, "database": database}
    installation = Installation(ProjectPaths(root), settings, lambda: NOW)
    return replace(installation, settings=settings.model_copy(update=changes))


def test_it_renames_on_its_own_disk_alone_and_learns_that_it_was_replaced(tmp_path, postgres_url):
    write_installation(tmp_path / "a").installation_id.ensure()
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    here, other = (host_of(tmp_path / name, postgres_url, name) for name in ("a", "b"))
    before = here.snapshots.require_current().version
    process = subprocess.Popen(
        [sys.executable, "-c", STOPS_BEFORE_THE_RENAME, str(tmp_path / "a"), str(TESTS)],
        env={
            **os.environ,
            "DATABASE_URL": postgres_url,
            "VIECOMREC_HOST_ID": "a",
            "VIECOMREC_DATABASE__LEASE_SECONDS": "1",
        },
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )
    try:
        assert process.stdout.readline() == "asked\n"
        taken = other.lock("data_refresh")
        wait_for(taken.acquire, "the other host to take over", PATIENCE)
        write_snapshot(other, n_extra_products=2)
        published = other.snapshots.require_current().version
        taken.release()
        # On the host of the stopped one nobody takes over, although the lease is free.
        assert here.lock("data_refresh").acquire() is False
        assert here.snapshots.require_current().version == before
        process.send_signal(signal.SIGCONT)
        said = process.stdout.read().splitlines()  # with the log between
        assert said[-1] == "lost", said
        made = next(line.removeprefix("made ") for line in said if line.startswith("made "))
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        for host in (here, other):
            host.leases.close()
            host.postgres.close()
    assert here.snapshots.require_current().version == made != before
    here.snapshots.require_current().verify()
    assert other.snapshots.require_current().version == published
    other.snapshots.require_current().verify()
