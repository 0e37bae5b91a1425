"""The service as a process of its own, asked over HTTP."""

import subprocess
import sys

import pytest
from installation import (
    NEW_MODEL,
    OLD_MODEL,
    ONE_EVENT_USER,
    TOKEN,
    trained_items,
    write_installation,
)
from server import AUTHORISED, REPOSITORY, running_service


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    write_installation(folder)
    return folder


@pytest.fixture(scope="module")
def client(root):
    with running_service(root) as client:
        yield client


def test_the_service_answers_with_products_a_person_can_read(client):
    answer = client.post("/recommend", json={"user_id": "u0", "topk": 3})
    assert answer.status_code == 200
    content = answer.json()
    assert content["model_id"] == client.get("/model_info").json()["model_id"]
    assert [item["rank"] for item in content["items"]] == [1, 2, 3]
    assert content["items"][0]["name"].startswith("Sữa rửa mặt")
    assert not {item["product_id"] for item in content["items"]} & {
        f"p{item}" for item in trained_items(0)
    }


def test_one_event_and_unknown_users_are_answered(client):
    one_event = client.post("/recommend", json={"user_id": ONE_EVENT_USER}).json()
    unknown = client.post("/recommend", json={"user_id": 987654321}).json()
    assert (one_event["source"], one_event["is_fallback"]) == ("fold_in", False)
    assert (unknown["source"], unknown["is_fallback"]) == ("popularity", True)
    assert unknown["user_id"] == "987654321"


def test_health_and_model_info_tell_the_truth(client, root):
    assert client.get("/health").json()["status"] == "healthy"
    info = client.get("/model_info").json()
    assert (info["status"], info["model_type"]) == ("ok", "als")
    assert info["installation_id"] in (root / "artifacts" / "installation.json").read_text()


def test_pitfall_21_a_reload_brings_the_model_of_the_request_live(client):
    for model_id in (OLD_MODEL, NEW_MODEL):
        answer = client.post("/reload_model", json={"model_id": model_id}, headers=AUTHORISED)
        assert (answer.status_code, answer.json()["model_id"]) == (200, model_id)
        assert client.get("/model_info").json()["model_id"] == model_id


@pytest.mark.parametrize(
    "header", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}]
)
def test_pitfall_36_nobody_reloads_without_the_token_on_loopback_either(client, header):
    before = client.get("/model_info").json()["model_id"]
    answer = client.post("/reload_model", json={"model_id": OLD_MODEL}, headers=header)
    assert answer.status_code == 401
    assert client.get("/model_info").json()["model_id"] == before


def test_pitfall_38_an_unknown_model_is_404_without_a_place_and_the_old_one_stays(client, root):
    answer = client.post("/reload_model", json={"model_id": "als_20990101_v1"}, headers=AUTHORISED)
    assert answer.status_code == 404
    assert "als_20990101_v1" in answer.json()["detail"]
    assert str(root) not in answer.text
    assert client.get("/health").json()["status"] == "healthy"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b'{"user_id": NaN}',
        b'{"user_id": "\\ud800"}',
        b'{"user_id": "a", "topk": 0}',
        b'{"user_id": "a", "topk": 1000000000}',
        b'{"user_id": "' + b"x" * 10_000 + b'"}',
        b'{"user_id": "a", "unknown": 1}',
    ],
)
def test_a_request_that_makes_no_sense_is_refused_without_an_echo(client, body):
    answer = client.post("/recommend", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in {400, 422}
    assert len(answer.content) < 2_000
    assert "detail" in answer.json()


def test_a_service_without_a_model_answers_503_with_what_to_run(tmp_path):
    write_installation(tmp_path, desired=None)
    with running_service(tmp_path) as client:
        assert client.get("/health").status_code == 503
        assert client.get("/health").json()["status"] == "empty"
        answer = client.post("/recommend", json={"user_id": "u0"})
        assert answer.status_code == 503
        assert "python -m automation.model_deployment" in answer.json()["detail"]
        reloaded = client.post("/reload_model", json={"model_id": OLD_MODEL}, headers=AUTHORISED)
        assert reloaded.status_code == 200
        assert client.get("/health").json()["status"] == "healthy"


def test_an_open_address_without_a_chosen_token_is_refused_at_the_start(tmp_path):
    (tmp_path / "config").mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "automation.serve", "--host", "0.0.0.0"],
        check=False,
        cwd=REPOSITORY,
        env={"PROJECT_DIR": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert "VIECOMREC_ADMIN_TOKEN" in done.stdout


def test_a_port_that_is_taken_is_named_with_what_to_do(client, root):
    port = str(client.base_url.port)
    done = subprocess.run(
        [sys.executable, "-m", "automation.serve", "--port", port],
        check=False,
        cwd=REPOSITORY,
        env={"PROJECT_DIR": str(root), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert f"127.0.0.1:{port}" in done.stdout
    assert client.get("/health").json()["status"] == "healthy"
