"""The whole loop through all doors on real shops: files in, recommendations out."""

import contextlib
import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import doors
import httpx2
import pytest


def hasaki_shop(project: Path, shared_data: Path) -> None:
    """A real Vietnamese cosmetics shop, its export read by naming files and columns."""
    published = project / "data" / "published_data"
    published.mkdir(parents=True)
    for name in ("reviews.csv.gz", "products.csv.gz"):
        shutil.copy(shared_data / "hasaki" / name, published / name)
    (project / "config").mkdir()
    example = doors.REPOSITORY / "config" / "examples" / "data_source.hasaki.json"
    shutil.copy(example, project / "config" / "data_source.json")


def viecomrec_shop(project: Path, shared_data: Path) -> None:
    """A generated set in the schema and the proportions of ViEcomRec, with its real catalogue."""
    tool = shared_data.parent / "tools" / "gen_viecomrec.py"
    catalogue = shared_data / "viecomrec_catalogue"
    published = project / "data" / "published_data"
    published.mkdir(parents=True)
    arguments = ["--out", str(published), "--scale", "0.05", "--products-dir", str(catalogue)]
    subprocess.run([sys.executable, str(tool), *arguments], check=True, capture_output=True)


@contextlib.contextmanager
def serving(project: Path) -> Iterator[str]:
    """The real service of the project on a free loopback port, ended by its process id."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    process = doors.start("serve", "--port", str(port), project=project, SERVICE_URL=url)
    try:
        deadline = time.monotonic() + 60
        while True:
            assert process.poll() is None, process.communicate()
            with contextlib.suppress(httpx2.HTTPError):
                httpx2.get(f"{url}/health", timeout=2)
                break
            assert time.monotonic() < deadline, "the service did not answer within a minute"
            time.sleep(0.1)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=90)


def succeeds(module: str, *arguments: str, project: Path, **extra: str) -> dict:
    answer = doors.run(module, *arguments, project=project, **extra)
    assert (answer.code, answer.result["status"]) == (0, "success"), answer
    return answer.result


@pytest.mark.slow
@pytest.mark.parametrize("write_shop", [hasaki_shop, viecomrec_shop])
def test_a_shops_files_become_recommendations_through_all_doors(write_shop, tmp_path, shared_data):
    project = tmp_path / "shop"
    project.mkdir()
    write_shop(project, shared_data)

    succeeds("data_refresh", project=project)
    succeeds("bert_embeddings", project=project)
    succeeds("model_training", "--auto-select", project=project)

    registry = json.loads((project / "artifacts/cf/registry.json").read_text(encoding="utf-8"))
    folder = project / "artifacts/cf"
    measured = {
        record["model_id"]: read_metrics(folder / record["path"])
        for record in registry["models"].values()
    }
    tuned_als = max(
        (model_id for model_id in measured if model_id.startswith("als_")),
        key=lambda model_id: measured[model_id]["factors"]["validation"]["ndcg@10"],
    )
    for model_id in {registry["current_best"], tuned_als}:
        require_above_popularity(model_id, measured[model_id])

    offline = doors.run("model_deployment", project=project)
    assert offline.code == 0
    assert offline.result["status"] == "pending"
    assert offline.result["message"] == "Service offline, will deploy on startup"

    with serving(project) as url:
        succeeds("model_deployment", project=project, SERVICE_URL=url)
        health = doors.run("health_check", "--json", project=project, SERVICE_URL=url)
        assert health.code == 0, health
        assert health.result["components"]["service"]["status"] == "healthy"
        ask_for_users(project, url, registry["current_best"])

    again = doors.run("data_refresh", project=project)
    assert (again.code, again.result["status"]) == (0, "skipped"), again


def read_metrics(model: Path) -> dict:
    return json.loads((model / "metrics.json").read_text(encoding="utf-8"))


def require_above_popularity(model_id: str, metrics: dict) -> None:
    """What is served in Recall and NDCG, U and V alone in NDCG, on validation and on test."""
    popularity = metrics["baselines"]["popularity"]
    for part in ("validation", "test"):
        for measure in ("recall@10", "ndcg@10"):
            assert metrics[part][measure] > popularity[part][measure], (model_id, part, measure)
        assert metrics["factors"][part]["ndcg@10"] > popularity[part]["ndcg@10"], (model_id, part)


def ask_for_users(project: Path, url: str, model_id: str) -> None:
    """A known user, a user of one event and a stranger each get a full list of new products."""
    import polars as pl

    interactions = pl.read_parquet(project / "data/processed/interactions.parquet")
    seen = dict(interactions.group_by("user_id").agg(pl.col("product_id").unique()).iter_rows())
    known = interactions.filter(pl.col("user_index").is_not_null())["user_id"][0]
    once = interactions.filter(pl.col("part") == "cold", pl.col("is_positive"))["user_id"][0]
    for user_id, is_fallback in ((known, False), (once, False), ("a stranger", True)):
        body = {"user_id": user_id, "topk": 10, "exclude_seen": True}
        response = httpx2.post(f"{url}/recommend", json=body, timeout=60)
        assert response.status_code == 200, response.text
        answer = response.json()
        offered = [item["product_id"] for item in answer["items"]]
        assert answer["model_id"] == model_id
        assert answer["is_fallback"] is is_fallback, answer
        assert len(set(offered)) == 10
        assert not set(offered) & set(seen.get(user_id, []))
        assert all(item["name"] and item["reason"] for item in answer["items"])
