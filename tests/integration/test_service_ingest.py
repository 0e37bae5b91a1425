"""Events over HTTP: durable, once, and known to the next list."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from installation import ONE_EVENT_USER, write_installation
from server import AUTHORISED, running_service, start_service

from viecomrec.adapters.staging import StagingLog


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    write_installation(folder)
    return folder


@pytest.fixture(scope="module")
def client(root):
    with running_service(root) as client:
        client.headers.update(AUTHORISED)
        yield client


def shown(client, user_id, **fields):
    answer = client.post("/recommend", json={"user_id": user_id, "topk": 5, **fields}).json()
    return [item["product_id"] for item in answer["items"]], answer["source"]


def staged(root):
    return StagingLog(root / "data" / "staging").pending()


def now(**shift):
    return (datetime.now(UTC) + timedelta(**shift)).isoformat()


@pytest.mark.parametrize("kind", ["review", "purchase", "cart", "view"])
def test_an_event_is_on_disk_when_it_is_acknowledged(client, root, kind):
    event = {"user_id": f"disk-{kind}", "product_id": "p2", "at": now(), "rating": 5}
    answer = client.post(f"/ingest/{kind}", json=event)
    assert (answer.status_code, answer.json()["status"]) == (200, "accepted")
    found = [event for event in staged(root) if event.user_id == f"disk-{kind}"]
    assert [event.kind.value for event in found] == [kind]


def test_a_body_that_is_not_declared_as_json_is_refused_with_the_header_that_is_missing(client):
    event = json.dumps({"user_id": "undeclared", "product_id": "p2"})
    for declared in ({}, {"Content-Type": "application/x-www-form-urlencoded"}):
        answer = client.post("/ingest/view", content=event, headers=declared)
        assert answer.status_code == 422
        assert "Content-Type: application/json" in answer.json()["detail"]
    answer = client.post("/ingest/view", json=["a", "list"])
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body"]


def test_an_event_changes_the_next_list_of_an_unknown_user(client):
    before, source = shown(client, "khách mới")
    assert source == "popularity"
    for number in (13, 15):
        event = {"user_id": "khách mới", "product_id": f"p{number}", "at": now()}
        assert client.post("/ingest/purchase", json=event).status_code == 200
    after, source = shown(client, "khách mới")
    assert source == "fold_in"
    assert after != before
    assert all(int(product[1:]) % 2 == 1 for product in after)
    assert not {"p13", "p15"} & set(after)


def test_an_event_changes_the_next_list_of_a_one_event_and_of_a_trained_user(client):
    for user in (ONE_EVENT_USER, "u2"):
        before, _ = shown(client, user)
        event = {"user_id": user, "product_id": before[0], "at": now()}
        assert client.post("/ingest/purchase", json=event).status_code == 200
        after, source = shown(client, user)
        assert source == "fold_in"
        assert before[0] not in after


def test_an_event_on_an_unknown_product_is_kept_and_explains_nothing(client):
    event = {"user_id": "khách lạ", "product_id": "not-in-the-catalogue", "at": now()}
    assert client.post("/ingest/view", json=event).status_code == 200
    _, source = shown(client, "khách lạ")
    assert source == "popularity"


def test_the_same_event_twice_counts_once(client, root):
    event = {"user_id": "twice", "product_id": "p2", "at": now(), "event_id": "order-1"}
    assert client.post("/ingest/purchase", json=event).json()["status"] == "accepted"
    again = client.post("/ingest/purchase", json=event).json()
    assert (again["status"], again["accepted"], again["duplicates"]) == ("duplicate", 0, 1)
    assert len([event for event in staged(root) if event.user_id == "twice"]) == 1


def test_a_batch_stores_the_good_events_and_names_the_bad_ones(client, root):
    good = {"user_id": "batch", "product_id": "p2", "kind": "purchase", "at": now()}
    bad = {"user_id": "batch", "product_id": "p4", "kind": "teleport", "at": now()}
    answer = client.post("/ingest/batch", json={"events": [good, bad]}).json()
    assert (answer["status"], answer["accepted"]) == ("partly_accepted", 1)
    assert [(one["index"], "kind" in one["detail"]) for one in answer["refused"]] == [(1, True)]
    assert [event.product_id for event in staged(root) if event.user_id == "batch"] == ["p2"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"at": "yesterday evening"},
        {"at": (datetime.now(UTC) + timedelta(hours=2)).isoformat()},
        {"at": "0001-01-01T00:00:00+00:00"},
        {"rating": 0},
        {"rating": 9},
        {"user_id": "x" * 10_000},
        {"user_id": ""},
        {"kind": "purchase"},
        {"colour": "red"},
    ],
)
def test_pitfall_19_a_wrong_event_is_refused_and_nothing_is_stored(client, root, wrong):
    n_before = len(staged(root))
    event = {"user_id": "wrong", "product_id": "p2", "at": now(), "rating": 5, **wrong}
    answer = client.post("/ingest/review", json=event)
    assert answer.status_code == 422
    assert len(answer.content) < 3_000
    assert len(staged(root)) == n_before


def test_nan_is_no_rating(client, root):
    n_before = len(staged(root))
    body = b'{"user_id": "a", "product_id": "p2", "rating": NaN}'
    answer = client.post(
        "/ingest/review", content=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 422
    assert len(staged(root)) == n_before


def test_pitfall_36_nobody_writes_events_without_the_token(client, root):
    n_before = len(staged(root))
    event = {"user_id": "stranger", "product_id": "p2", "at": now()}
    for method, path in (
        ("POST", "/ingest/purchase"),
        ("POST", "/ingest/batch"),
        ("GET", "/ingest/pending"),
        ("GET", "/ingest/stats"),
    ):
        answer = client.request(method, path, json=event, headers={"Authorization": "Bearer no"})
        assert answer.status_code == 401
    assert len(staged(root)) == n_before


def test_pending_and_stats_say_what_waits(client, root):
    stats = client.get("/ingest/stats").json()
    pending = client.get("/ingest/pending").json()
    assert stats["pending"] == pending["total"] == len(staged(root))
    assert stats["accepted"] >= 1
    assert sum(stats["pending_by_kind"].values()) == stats["pending"]


def test_acknowledged_events_are_known_again_after_kill_9(tmp_path):
    write_installation(tmp_path)
    process, url = start_service(tmp_path)
    import httpx2

    with httpx2.Client(base_url=url, headers=AUTHORISED) as client:
        event = {"user_id": "survivor", "product_id": "p13", "at": now()}
        assert client.post("/ingest/purchase", json=event).status_code == 200
    process.kill()
    process.wait()
    with running_service(tmp_path) as client:
        products, source = shown(client, "survivor")
    assert source == "fold_in"
    assert "p13" not in products


def test_lines_of_the_log_are_whole_and_readable(root):
    for file in (root / "data" / "staging").glob("*.jsonl"):
        for line in file.read_text(encoding="utf-8").splitlines():
            assert json.loads(line)["at"].endswith("Z")


def test_a_time_without_an_offset_is_in_the_shops_zone_as_at_every_other_door(tmp_path):
    write_installation(tmp_path)
    schedule = {"timezone": "Asia/Ho_Chi_Minh", "tasks": {}}
    (tmp_path / "config" / "scheduler_config.json").write_text(json.dumps(schedule))
    (tmp_path / "config" / "data_source.json").write_text("{}")
    with running_service(tmp_path) as client:
        event = {"user_id": "zone", "product_id": "p2", "at": "2026-01-01T10:00:00"}
        answer = client.post("/ingest/purchase", json=event, headers=AUTHORISED)
        assert answer.status_code == 200, answer.text
    assert [one.at.hour for one in staged(tmp_path)] == [3]
