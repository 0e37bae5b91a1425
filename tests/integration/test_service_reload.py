"""A reload under load, in one process and in several: nothing fails, nothing is mixed."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx2
import numpy as np
import pytest
from installation import NEW_MODEL, OLD_MODEL, write_installation, write_snapshot
from server import AUTHORISED, running_service

from viecomrec.adapters.registry import ITEM_FACTORS
from viecomrec.domain.api import RankingRequest, RecommendResponse
from viecomrec.domain.ranking_rules import RankingRules
from viecomrec.service.bundle import empty_fresh_events, load_bundle
from viecomrec.service.recommender import recommend

USERS = [f"u{row}" for row in range(12)] + ["nobody"]
N_CONNECTIONS, N_RELOADS = 8, 4


def expected_lists(installation):
    """What each model answers each user, from the model itself."""
    lists = {}
    for model_id in (OLD_MODEL, NEW_MODEL):
        fresh = empty_fresh_events(installation)
        bundle = load_bundle(installation, model_id, fresh, RankingRules())
        for user in USERS:
            content = recommend(bundle, user, RankingRequest(topk=5)).content
            answer = RecommendResponse.model_validate_json(content)
            lists[model_id, user] = [item.product_id for item in answer.items]
    return lists


def ask_until(stop, url, seed):
    """Ask without a pause and return every answer as (status, model, user, products)."""
    rng = np.random.default_rng(seed)
    answers = []
    with httpx2.Client(base_url=url, headers=AUTHORISED, timeout=30) as client:
        while not stop.is_set():
            user = USERS[rng.integers(len(USERS))]
            answer = client.post("/recommend", json={"user_id": user, "topk": 5})
            content = answer.json()
            products = [item["product_id"] for item in content.get("items", [])]
            answers.append((answer.status_code, content.get("model_id"), user, products))
    return answers


def answers_during_reloads(client):
    stop = threading.Event()
    with ThreadPoolExecutor(N_CONNECTIONS) as pool:
        asking = [
            pool.submit(ask_until, stop, str(client.base_url), seed)
            for seed in range(N_CONNECTIONS)
        ]
        try:
            for turn in range(N_RELOADS):
                model_id = (OLD_MODEL, NEW_MODEL)[turn % 2]
                body = {"model_id": model_id}
                told = client.post("/reload_model", json=body, headers=AUTHORISED)
                assert told.status_code == 200, told.text
                time.sleep(0.3)
        finally:
            stop.set()
        return [answer for one in asking for answer in one.result()]


def test_models_of_the_test_answer_differently(tmp_path):
    lists = expected_lists(write_installation(tmp_path))
    different = [user for user in USERS if lists[OLD_MODEL, user] != lists[NEW_MODEL, user]]
    assert len(different) > len(USERS) / 2


@pytest.mark.parametrize("n_workers", [1, 2])
def test_pitfall_10_under_load_no_request_fails_and_no_answer_mixes_two_models(tmp_path, n_workers):
    expected = expected_lists(write_installation(tmp_path))
    with running_service(tmp_path, "--workers", str(n_workers)) as client:
        answers = answers_during_reloads(client)
    assert {status for status, *_ in answers} == {200}
    assert {model_id for _, model_id, *_ in answers} == {OLD_MODEL, NEW_MODEL}
    mixed = [
        (model_id, user)
        for _, model_id, user, products in answers
        if products != expected[model_id, user]
    ]
    assert mixed == []


def test_all_workers_serve_the_model_when_the_reload_is_answered(tmp_path):
    write_installation(tmp_path)
    with running_service(tmp_path, "--workers", "3") as client:
        workers_of(client, n_workers=3)
        for model_id in (OLD_MODEL, NEW_MODEL):
            body = {"model_id": model_id}
            told = client.post("/reload_model", json=body, headers=AUTHORISED)
            assert told.status_code == 200
            assert set(workers_of(client, n_workers=3).values()) == {model_id}
            # Each of these may be answered by another worker.
            for _ in range(12):
                with httpx2.Client(base_url=client.base_url) as other:
                    assert other.get("/model_info").json()["model_id"] == model_id


def workers_of(client, n_workers):
    deadline = time.monotonic() + 60
    while True:
        info = client.get("/model_info").json()
        workers = {one["pid"]: one["model_id"] for one in info["workers"]}
        if len(workers) == n_workers and info["workers_agree"]:
            return workers
        assert time.monotonic() < deadline, info
        time.sleep(0.05)


def test_an_event_that_one_worker_took_in_is_known_to_all(tmp_path):
    write_installation(tmp_path)
    with running_service(tmp_path, "--workers", "3") as client:
        workers_of(client, n_workers=3)
        event = {"user_id": "moving", "product_id": "p13"}
        assert client.post("/ingest/purchase", json=event, headers=AUTHORISED).status_code == 200
        deadline = time.monotonic() + 60
        sources = set()
        while sources != {"fold_in"}:
            assert time.monotonic() < deadline
            sources = {source_of(client, "moving") for _ in range(12)}


def source_of(client, user):
    with httpx2.Client(base_url=client.base_url) as other:
        return other.post("/recommend", json={"user_id": user}).json()["source"]


def test_a_corrupt_model_is_refused_and_the_old_one_keeps_serving(tmp_path):
    installation = write_installation(tmp_path)
    file = installation.models.folder("als", OLD_MODEL) / ITEM_FACTORS
    file.write_bytes(file.read_bytes()[:-8] + b"\xff" * 8)
    with running_service(tmp_path) as client:
        told = client.post("/reload_model", json={"model_id": OLD_MODEL}, headers=AUTHORISED)
        assert told.status_code == 409
        assert str(tmp_path) not in told.text
        assert client.get("/model_info").json()["model_id"] == NEW_MODEL
        assert client.get("/health").json()["status"] == "healthy"


def test_a_new_snapshot_is_taken_in_without_a_reload(tmp_path):
    installation = write_installation(tmp_path)
    with running_service(tmp_path) as client:
        before = client.get("/model_info").json()
        write_snapshot(installation, n_extra_products=2)
        deadline = time.monotonic() + 60
        while client.get("/model_info").json()["n_items"] == before["n_items"]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        after = client.get("/model_info").json()
        assert after["snapshot_version"] != before["snapshot_version"]
        assert (after["model_id"], after["status"]) == (before["model_id"], "ok")
