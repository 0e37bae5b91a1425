"""Three services with folders of their own behind one database: they agree, or say who does not.

They run through this file together: each test leaves all three on the newer model.
"""

import os
import shutil
import threading

import httpx2
import pytest
from installation import NEW_MODEL, OLD_MODEL, TOKEN, write_installation
from server import AUTHORISED, start_service
from waiting import wait_for

from viecomrec.adapters.leases import Leases
from viecomrec.adapters.locks import PipelineLock
from viecomrec.adapters.postgres import PostgresDatabase
from viecomrec.paths import ProjectPaths

NAMES = ("one", "two", "three")
PATIENCE = 60
EVENT = {"user_id": "u0", "product_id": "p1", "kind": "view"}

pytestmark = pytest.mark.skipif(os.name == "nt", reason="kill -9 is of POSIX")


class Replicas:
    def __init__(self, root, monkeypatch):
        self.root, self.monkeypatch = root, monkeypatch
        self.processes, self.urls = {}, {}
        first = root / NAMES[0]
        write_installation(first).installation_id.ensure()
        for name in NAMES[1:]:
            shutil.copytree(first, root / name)

    def start(self, name):
        self.monkeypatch.setenv("VIECOMREC_REPLICA_URL", name)
        self.processes[name], self.urls[name] = start_service(self.root / name)

    def kill(self, name):
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def info(self, name):
        return httpx2.get(f"{self.urls[name]}/model_info", timeout=20).json()

    def post(self, name, path, body):
        url = f"{self.urls[name]}{path}"
        return httpx2.post(url, json=body, headers=AUTHORISED, timeout=60)

    def pending(self, name):
        url = f"{self.urls[name]}/ingest/pending"
        return httpx2.get(url, headers=AUTHORISED, timeout=20).json()

    def end(self):
        for name in list(self.processes):
            self.kill(name)


@pytest.fixture(scope="module")
def replicas(tmp_path_factory, postgres_cluster):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", postgres_cluster.new_database())
        replicas = Replicas(tmp_path_factory.mktemp("replicas"), patch)
        try:
            for name in NAMES:
                replicas.start(name)
            yield replicas
        finally:
            replicas.end()


class Load:
    """Asks every replica for lists all the time, and keeps what went wrong."""

    def __init__(self, replicas):
        self._replicas = replicas
        self._stopping = threading.Event()
        self.wrong, self.n_answers = [], 0
        self._threads = [threading.Thread(target=self._ask, args=(name,)) for name in NAMES]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, name):
        while not self._stopping.wait(0.05):
            if name not in self._replicas.processes:
                continue
            try:
                answer = self._replicas.post(name, "/recommend", {"user_id": "u0"})
            except httpx2.TransportError:
                if name in self._replicas.processes:
                    self.wrong.append(f"{name} did not answer")
                continue
            self.n_answers += 1
            if answer.status_code != 200 or not answer.json()["items"]:
                self.wrong.append(f"{name}: {answer.status_code}")


def test_an_event_posted_to_one_replica_changes_the_answers_of_the_others(replicas):
    listed = replicas.post("two", "/recommend", {"user_id": "u0"}).json()["items"]
    product = listed[0]["product_id"]
    event = {**EVENT, "product_id": product, "kind": "purchase"}
    answer = replicas.post("one", "/ingest/purchase", event)
    assert answer.status_code == 200, answer.text

    def is_gone():
        items = replicas.post("two", "/recommend", {"user_id": "u0"}).json()["items"]
        return product not in [item["product_id"] for item in items]

    wait_for(is_gone, "the other replica to know of the purchase")


def test_while_the_database_is_away_answers_go_on_and_no_event_is_accepted(
    replicas, postgres_cluster
):
    accepted = replicas.post("one", "/ingest/view", {**EVENT, "event_id": "before"})
    assert accepted.status_code == 200, accepted.text
    postgres_cluster.stop()
    try:
        refused = replicas.post("one", "/ingest/view", {**EVENT, "event_id": "during"})
        assert refused.status_code == 503
        assert "Send them again" in refused.json()["detail"]
        assert replicas.post("one", "/recommend", {"user_id": "u0"}).status_code == 200
    finally:
        postgres_cluster.start()
    again = wait_for(
        lambda: _accepted(replicas, {**EVENT, "event_id": "during"}), "the database to be back"
    )
    assert again["accepted"] == 1
    ids = [one["event_id"] for one in replicas.pending("one")["events"]]
    assert {"before", "during"} <= set(ids)


def _accepted(replicas, event):
    answer = replicas.post("one", "/ingest/view", event)
    return answer.json() if answer.status_code == 200 else None


def test_the_console_tells_which_host_leads_the_schedulers(replicas):
    url = os.environ["DATABASE_URL"]
    leases = Leases(PostgresDatabase(url, patience_seconds=PATIENCE), 900.0, "dawn")
    lock = PipelineLock("scheduler", folder=ProjectPaths(replicas.root / "one").locks)
    lease = leases.acquire("scheduler")
    try:
        assert "Running on the host dawn" in console(replicas, "", "en")
        assert "Đang chạy trên máy dawn" in console(replicas, "/jobs", "vi")
        assert lock.acquire()
        assert "Standing by; the host dawn leads" in console(replicas, "/jobs", "en")
        assert "Chờ sẵn; máy dawn đang điều khiển" in console(replicas, "", "vi")
        leases.release(lease)
        assert "Standing by; no host leads at the moment" in console(replicas, "", "en")
    finally:
        leases.release(lease)
        lock.release()
        leases.close()
        leases.database.close()


def console(replicas, path, language):
    with httpx2.Client(timeout=60, follow_redirects=True) as client:
        url = f"{replicas.urls['one']}/console"
        client.post(f"{url}/sign-in", data={"token": TOKEN}).raise_for_status()
        client.cookies.set("viecomrec_language", language, path="/console")
        return client.get(f"{url}{path}").raise_for_status().text


def test_three_replicas_agree_under_load_while_one_is_killed_and_one_reloads(replicas):
    assert {replicas.info(name)["model_id"] for name in NAMES} == {NEW_MODEL}
    with Load(replicas) as load:
        replicas.post("one", "/reload_model", {"model_id": OLD_MODEL}).raise_for_status()
        for name in NAMES:
            wait_for(lambda n=name: replicas.info(n)["model_id"] == OLD_MODEL, f"{name} to follow")
        wait_for(lambda: replicas.info("two")["workers_agree"], "the replicas to agree")
        workers = replicas.info("one")["workers"]
        assert [one["replica"] for one in workers] == ["one", "three", "two"]

        replicas.kill("three")
        replicas.post("two", "/reload_model", {"model_id": NEW_MODEL}).raise_for_status()
        wait_for(lambda: replicas.info("one")["model_id"] == NEW_MODEL, "the first to follow")
        wait_for(lambda: replicas.info("one")["workers_agree"], "the dead one to be forgotten")

        replicas.start("three")
        assert replicas.info("three")["model_id"] == NEW_MODEL
    assert load.wrong == []
    assert load.n_answers > 0


def test_a_replica_that_cannot_follow_is_named(replicas):
    shutil.rmtree(replicas.root / "three" / "artifacts" / "cf" / "als" / OLD_MODEL)
    replicas.post("one", "/reload_model", {"model_id": OLD_MODEL}).raise_for_status()
    info = wait_for(lambda: _behind(replicas, ["three"]), "the one that stays behind")
    assert not info["workers_agree"]
    assert replicas.info("three")["model_id"] == NEW_MODEL  # it goes on answering


def _behind(replicas, names):
    info = replicas.info("one")
    return info if info["behind"] == names else None
