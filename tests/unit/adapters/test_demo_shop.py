"""The demo shop on disk is written once and never over a real shop."""

import csv
import io

import numpy as np
import pytest

from viecomrec.adapters import demo_shop
from viecomrec.adapters.demo_shop import DemoShopFiles
from viecomrec.domain.simulation import simulate_shop
from viecomrec.errors import ConfigurationError, VieComRecError
from viecomrec.paths import ProjectPaths
from viecomrec.settings import load_settings, scheduler_zone_name

IDENTITY = (7, 300, 50)


@pytest.fixture(scope="module")
def shop():
    return simulate_shop(300, 50, np.random.default_rng(7))


@pytest.fixture
def files(tmp_path):
    return shop_files(tmp_path)


def shop_files(root):
    paths = ProjectPaths(root)
    return DemoShopFiles(
        paths.published_data,
        paths.demo_shop_marker,
        paths.settings_file,
        paths.scheduler_config_file,
    )


def content(tmp_path):
    return {path.name: path.read_bytes() for path in (tmp_path / "data").rglob("*.csv")}


def test_a_written_shop_is_recognised(files, shop):
    assert not files.is_current(*IDENTITY)
    files.write(shop, *IDENTITY)
    assert files.is_current(*IDENTITY)


@pytest.mark.parametrize("other", [(8, 300, 50), (7, 301, 50), (7, 300, 51)])
def test_another_shop_is_not_taken_for_this_one(files, shop, other):
    files.write(shop, *IDENTITY)
    assert not files.is_current(*other)


def test_another_version_of_the_simulator_makes_another_shop(files, shop, monkeypatch):
    files.write(shop, *IDENTITY)
    monkeypatch.setattr(demo_shop, "SIMULATOR_VERSION", 999)
    assert not files.is_current(*IDENTITY)


@pytest.mark.parametrize("name", demo_shop.FILES)
def test_a_missing_or_altered_file_is_noticed_and_written_again(files, shop, tmp_path, name):
    files.write(shop, *IDENTITY)
    before = content(tmp_path)
    path = tmp_path / "data" / "published_data" / name
    path.write_bytes(path.read_bytes() + b"x")
    assert not files.is_current(*IDENTITY)
    path.unlink()
    assert not files.is_current(*IDENTITY)
    files.write(shop, *IDENTITY)
    assert files.is_current(*IDENTITY)
    assert content(tmp_path) == before


def test_the_same_seed_gives_the_same_bytes(shop, tmp_path):
    for folder in ("one", "two"):
        again = simulate_shop(300, 50, np.random.default_rng(7))
        root = tmp_path / folder
        shop_files(root).write(again, *IDENTITY)
    assert content(tmp_path / "one") == content(tmp_path / "two")


def test_a_real_shop_is_never_overwritten(files, shop, tmp_path):
    folder = tmp_path / "data" / "published_data"
    folder.mkdir(parents=True)
    (folder / "data_product.csv").write_text("product_id\n1\n")
    with pytest.raises(ConfigurationError, match="the demo did not write"):
        files.write(shop, *IDENTITY)
    assert content(tmp_path) == {"data_product.csv": b"product_id\n1\n"}


def test_an_interrupted_write_is_repeated(files, shop, monkeypatch, tmp_path):
    def stop(*_arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(demo_shop, "_csv", stop)
        with pytest.raises(KeyboardInterrupt):
            files.write(shop, *IDENTITY)
    assert not files.is_current(*IDENTITY)
    files.write(shop, *IDENTITY)
    assert files.is_current(*IDENTITY)


def test_a_damaged_marker_is_no_marker(files, shop, tmp_path):
    files.write(shop, *IDENTITY)
    ProjectPaths(tmp_path).demo_shop_marker.write_text("{")
    assert not files.is_current(*IDENTITY)


def test_a_place_that_cannot_be_written_is_named(shop, tmp_path):
    (tmp_path / "data").write_text("a file where a folder belongs")
    files = shop_files(tmp_path)
    with pytest.raises(VieComRecError, match="--project-dir"):
        files.write(shop, *IDENTITY)


def test_the_reviews_have_the_header_of_the_real_export(files, shop, tmp_path):
    files.write(shop, *IDENTITY)
    text = content(tmp_path)[demo_shop.REVIEWS].decode("utf-8")
    rows = list(csv.reader(io.StringIO(text)))
    header = (
        ",user_id,product_id,rating,product_name_x,cmt_date,shop_id,variation_x,"
        "product_quality,processed_comment"
    )
    assert ",".join(rows[0]) == header
    assert len(rows) == shop.reviews.height + 1
    assert {len(row) for row in rows} == {10}


@pytest.mark.parametrize("name", [demo_shop.PRODUCTS, demo_shop.ATTRIBUTES, demo_shop.SHOPS])
def test_the_catalogue_has_the_headers_of_the_real_files(files, shop, tmp_path, shared_data, name):
    files.write(shop, *IDENTITY)
    real = (shared_data / "viecomrec_catalogue" / name).read_text(encoding="utf-8")
    ours = content(tmp_path)[name].decode("utf-8")
    assert ours.splitlines()[0] == real.splitlines()[0]


def test_the_demo_has_its_own_settings_and_the_schedule_that_ships(files, shop, tmp_path):
    files.write(shop, *IDENTITY)
    paths = ProjectPaths(tmp_path)
    settings = load_settings(paths)
    assert (settings.embeddings.encoder, settings.comments.scorer) == ("tfidf", "self-trained")
    assert scheduler_zone_name(paths.scheduler_config_file) == "Asia/Ho_Chi_Minh"


def test_a_configuration_that_is_there_stays(files, shop, tmp_path):
    paths = ProjectPaths(tmp_path)
    paths.config.mkdir()
    for file in (paths.settings_file, paths.scheduler_config_file):
        file.write_text("{}")
    files.write(shop, *IDENTITY)
    assert paths.settings_file.read_text() == paths.scheduler_config_file.read_text() == "{}"
