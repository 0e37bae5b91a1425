"""A small shop that went through the loop once; tests copy it before they change it."""

import doors
import numpy as np
import pytest

N_USERS, N_PRODUCTS = 5000, 150


@pytest.fixture(scope="session")
def trained_shop(tmp_path_factory):
    """A simulated shop with a snapshot, embeddings and a chosen model."""
    from viecomrec.adapters.demo_shop import DemoShopFiles
    from viecomrec.domain.simulation import simulate_shop
    from viecomrec.paths import ProjectPaths

    project = tmp_path_factory.mktemp("shop")
    shop = simulate_shop(N_USERS, N_PRODUCTS, np.random.default_rng(1))
    paths = ProjectPaths(project)
    files = DemoShopFiles(
        paths.published_data,
        paths.demo_shop_marker,
        paths.settings_file,
        paths.scheduler_config_file,
    )
    files.write(shop, 1, N_USERS, N_PRODUCTS)
    for module in ("data_refresh", "bert_embeddings", "model_training"):
        answer = doors.run(module, project=project)
        assert (answer.code, answer.result["status"]) == (0, "success"), answer
    return project


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory):
    """A local S3 server on a free loopback port, ended by its process id."""
    pytest.importorskip("obstore", reason='install the extra: pip install "viecomrec[s3]"')
    pytest.importorskip("moto", reason='install the extra: pip install "viecomrec[dev]"')
    from s3_server import running_s3

    with running_s3(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def bucket(s3_server, monkeypatch):
    """An empty bucket that ARTIFACT_URL and the AWS_ variables name; its address."""
    url = f"s3://{s3_server.new_bucket()}/live"
    for name, value in s3_server.environment(url).items():
        monkeypatch.setenv(name, value)
    return url
