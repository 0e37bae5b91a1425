"""The whole loop on an object store: one host makes, another one serves."""

import json
from pathlib import Path

import doors
import httpx2
import numpy as np
import pytest
from installation import TOKEN
from server import running_service

from viecomrec.adapters.demo_shop import DemoShopFiles
from viecomrec.domain.simulation import simulate_shop
from viecomrec.paths import ProjectPaths

N_USERS, N_PRODUCTS = 1200, 80


@pytest.fixture
def maker(tmp_path):
    """The host that has the shop's files."""
    project = tmp_path / "maker"
    paths = ProjectPaths(project)
    shop = simulate_shop(N_USERS, N_PRODUCTS, np.random.default_rng(1))
    files = DemoShopFiles(
        paths.published_data,
        paths.demo_shop_marker,
        paths.settings_file,
        paths.scheduler_config_file,
    )
    files.write(shop, 1, N_USERS, N_PRODUCTS)
    return project


@pytest.fixture
def server(tmp_path):
    """Another host: an empty folder and the same address."""
    project = tmp_path / "server"
    (project / "config").mkdir(parents=True)
    return project


def succeeds(module: str, *arguments: str, project: Path, **extra: str) -> dict:
    answer = doors.run(module, *arguments, project=project, VIECOMREC_ADMIN_TOKEN=TOKEN, **extra)
    assert (answer.code, answer.result["status"]) == (0, "success"), answer
    return answer.result


def list_of(service: httpx2.Client, user_id: str) -> list[str]:
    answer = service.post("/recommend", json={"user_id": user_id, "topk": 10})
    assert answer.status_code == 200, answer.text
    return [item["product_id"] for item in answer.json()["items"]]


def downloaded_files(asked: list[dict]) -> list[str]:
    return [one["key"] for one in asked if one["method"] == "GET" and one["status"] == 200]


@pytest.mark.slow
def test_what_one_host_makes_another_serves_rolls_back_and_restarts_with(
    maker, server, bucket, s3_server
):
    succeeds("data_refresh", project=maker)
    succeeds("bert_embeddings", project=maker)
    before, newest = [
        next(iter(succeeds("model_training", *flags, project=maker)["models"]))
        for flags in (["--model", "als"], ["--model", "als", "--force"])
    ]
    mappings = maker / "data" / "processed" / "user_item_mappings.json"
    some_user = next(iter(json.loads(mappings.read_text(encoding="utf-8"))["user_to_idx"]))

    with running_service(server) as service:
        url = str(service.base_url)
        for model_id in (before, newest):
            succeeds("model_deployment", "--model-id", model_id, project=maker, SERVICE_URL=url)
            assert service.get("/model_info").json()["model_id"] == model_id
        assert not (server / "data" / "published_data").exists()
        health = doors.run("health_check", "--json", project=server, SERVICE_URL=url)
        checks = {check["name"]: check for check in health.result["components"]["models"]["checks"]}
        assert checks["artifact_store"]["status"] == "healthy"
        assert checks["artifact_store"]["looked_at"] == bucket
        there = list_of(service, some_user)
        assert len(there) == 10
        with running_service(maker) as own:
            assert own.get("/model_info").json()["model_id"] == newest
            assert list_of(own, some_user) == there

        succeeds("model_deployment", "--rollback", project=maker, SERVICE_URL=url)
        assert service.get("/model_info").json()["model_id"] == before
        assert list_of(service, some_user) != []

    with s3_server.counted() as asked, running_service(server) as service:
        assert service.get("/model_info").json()["model_id"] == before
        assert len(list_of(service, some_user)) == 10
    # The rollback was recorded after the service had read the registry; nothing else is new.
    assert set(downloaded_files(asked)) <= {"live/registry.json"}
    assert {one["status"] for one in asked if one["method"] == "GET"} <= {200, 304}
