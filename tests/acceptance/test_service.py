"""The recommendation service at SERVICE_URL, as the guide and the product promise it."""

import subprocess
import sys

import pytest
from installation import NEW_MODEL, OLD_MODEL, write_installation
from server import AUTHORISED, REPOSITORY, free_port, running_service

from viecomrec.settings import Settings

ENDPOINTS = {
    ("POST", "/recommend"),
    ("POST", "/batch_recommend"),
    ("POST", "/similar_items"),
    ("POST", "/search"),
    ("POST", "/search/similar"),
    ("POST", "/search/profile"),
    ("GET", "/search/filters"),
    ("POST", "/ingest/review"),
    ("POST", "/ingest/purchase"),
    ("POST", "/ingest/cart"),
    ("POST", "/ingest/view"),
    ("POST", "/ingest/batch"),
    ("GET", "/ingest/stats"),
    ("GET", "/ingest/pending"),
    ("GET", "/health"),
    ("GET", "/ready"),
    ("GET", "/model_info"),
    ("GET", "/stats"),
    ("POST", "/reload_model"),
    ("GET", "/metrics"),
}


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    write_installation(folder)
    with running_service(folder) as client:
        yield client


def test_service_url_is_port_8000_of_this_machine_by_default(monkeypatch):
    monkeypatch.delenv("SERVICE_URL", raising=False)
    assert Settings().service_url == "http://localhost:8000"
    assert (Settings().service.host, Settings().service.port) == ("127.0.0.1", 8000)


def test_every_promised_endpoint_exists_and_is_described(client):
    paths = client.get("/openapi.json").json()["paths"]
    described = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    assert described >= ENDPOINTS
    page = client.get("/docs").text
    assert all(path in page for _, path in ENDPOINTS)
    assert "//" not in page.replace("<!doctype", "")  # nothing is loaded from elsewhere


def test_the_api_is_reachable_and_a_model_is_loaded(client):
    """The two checks of the guide's health table for the service."""
    health = client.get("/health").json()
    assert (health["status"], health["model_id"]) == ("healthy", NEW_MODEL)
    assert health["golden_items"] > 0
    assert client.get("/ready").json()["ready"] is True


def test_reload_model_takes_the_model_id_of_its_body(client):
    told = client.post("/reload_model", json={"model_id": OLD_MODEL}, headers=AUTHORISED)
    assert (told.status_code, told.json()["model_id"]) == (200, OLD_MODEL)
    told = client.post("/reload_model", json={"model_id": NEW_MODEL}, headers=AUTHORISED)
    assert client.get("/model_info").json()["model_id"] == NEW_MODEL


def test_a_deployment_while_offline_is_live_after_the_next_start(tmp_path):
    """The guide: registry updated, the model is loaded when the service restarts."""
    installation = write_installation(tmp_path, desired=OLD_MODEL)
    with running_service(tmp_path) as client:
        assert client.get("/model_info").json()["model_id"] == OLD_MODEL
    installation.registry.update(lambda registry: registry.desire(NEW_MODEL))
    with running_service(tmp_path) as client:
        assert client.get("/model_info").json()["model_id"] == NEW_MODEL


def test_model_info_names_the_installation_and_every_worker(client):
    info = client.get("/model_info").json()
    assert info["installation_id"]
    assert info["workers_agree"] is True
    assert [worker["model_id"] for worker in info["workers"]] == [info["model_id"]]


def test_model_info_counts_the_traffic_of_the_live_model(client):
    before = client.get("/model_info").json()["traffic"]["n_requests"]
    for _ in range(3):
        client.post("/recommend", json={"user_id": "u0"})
    traffic = client.get("/model_info").json()["traffic"]
    assert traffic["n_requests"] == before + 3
    assert 0 < traffic["latency_ms_p50"] <= traffic["latency_ms_p95"]
    assert (traffic["n_errors"], traffic["n_empty"]) == (0, 0)


def test_metrics_are_in_the_words_of_prometheus(client):
    from prometheus_client.parser import text_string_to_metric_families

    client.post("/recommend", json={"user_id": "u0"})
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    families = {one.name: one for one in text_string_to_metric_families(answer.text)}
    asked = {
        (one.labels.get("endpoint"), one.labels.get("status")): one.value
        for one in families["viecomrec_requests"].samples
    }
    assert asked["/recommend", "200"] >= 1
    assert families["viecomrec_recommend_seconds"].type == "histogram"


def test_stats_say_what_is_in_memory(client):
    stats = client.get("/stats").json()
    assert (stats["model_id"], stats["n_products"]) == (NEW_MODEL, 24)
    assert stats["n_trained_users"] == 12
    assert stats["n_users_with_history"] == 13


def test_topk_is_10_by_default_and_at_most_100(client):
    assert len(client.post("/recommend", json={"user_id": "nobody"}).json()["items"]) == 10
    assert client.post("/recommend", json={"user_id": 1, "topk": 101}).status_code == 422


def test_a_page_of_another_origin_may_not_read_answers(client):
    headers = {"Origin": "https://somewhere.example", "Content-Type": "application/json"}
    answer = client.post("/recommend", json={"user_id": "u0"}, headers=headers)
    assert "access-control-allow-origin" not in answer.headers


def test_a_damaged_installation_is_served_from_the_model_before_and_says_so(tmp_path):
    installation = write_installation(tmp_path)
    installation.registry.update(lambda registry: registry.confirm(OLD_MODEL).desire(NEW_MODEL))
    (installation.models.folder("als", NEW_MODEL) / "V.npy").unlink()
    with running_service(tmp_path) as client:
        health = client.get("/health")
        assert (health.status_code, health.json()["status"]) == (200, "degraded")
        assert health.json()["model_id"] == OLD_MODEL
        assert NEW_MODEL in health.json()["reason"]
        assert str(tmp_path) not in health.text


@pytest.mark.parametrize(
    ("content", "named"), [('{"pinned": 5}', "pinned"), ("{", "ranking.json"), ('{"x": 1}', "x")]
)
def test_wrong_ranking_rules_stop_the_start_and_are_named(tmp_path, content, named):
    write_installation(tmp_path)
    (tmp_path / "config" / "ranking.json").write_text(content, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "automation.serve", "--port", str(free_port())],
        check=False,
        cwd=REPOSITORY,
        env={"PROJECT_DIR": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert named in done.stdout
