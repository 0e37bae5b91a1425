"""The guide's section 4, line by line: text, vectors, file, freshness, `--force`."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import torch
from installation import product_ids, write_snapshot
from tiny_models import write_phobert

from automation import bert_embeddings
from viecomrec.bootstrap import Installation, utc_now
from viecomrec.domain.product_text import product_text
from viecomrec.paths import ProjectPaths
from viecomrec.settings import Settings

FILE = "data/processed/content_based_embeddings/product_embeddings.pt"


@pytest.fixture
def shop(tmp_path, monkeypatch) -> Installation:
    """A shop with a snapshot and nothing embedded yet."""
    (tmp_path / "config").mkdir()
    monkeypatch.setenv("PROJECT_DIR", str(tmp_path))
    installation = Installation(ProjectPaths(tmp_path), Settings(), utc_now)
    write_snapshot(installation)
    return installation


@pytest.fixture
def command(capsys):
    def run(*flags: str) -> tuple[int, dict]:
        code = bert_embeddings.main(list(flags))
        return code, json.loads(capsys.readouterr().out)

    return run


def date_back(shop: Installation, days: int) -> None:
    """Publish the embeddings in force as if they had been made some days ago."""
    current = shop.embeddings.current()
    fields = {"model", "revision", "space", "encoder_key", "degraded", "degraded_reason"}
    shop.embeddings.publish(
        current.product_ids,
        current.vectors,
        current.text_hashes,
        described=current.manifest.model_dump(include=fields),
        at=datetime.now(UTC) - timedelta(days=days, minutes=1),
    )


def read_file(shop: Installation) -> dict:
    return torch.load(shop.paths.root / FILE, weights_only=True)


def test_the_text_is_name_sep_description_sep_feature():
    product_name, description, feature = "Sữa rửa mặt", "dịu nhẹ", "kiềm dầu"
    assert (
        product_text(product_name, description, feature)
        == f"{product_name} [SEP] {description} [SEP] {feature}"
    )


def test_the_file_holds_ids_a_tensor_of_768_columns_the_model_and_a_timestamp(shop, command):
    code, result = command()
    assert (code, result["status"]) == (0, "success")
    content = read_file(shop)
    assert content["product_ids"] == product_ids()
    assert all(type(product_id) is str for product_id in content["product_ids"])
    assert content["embeddings"].shape == (len(product_ids()), 768)
    assert content["embeddings"].dtype is torch.float32
    assert content["model"] == result["model"]
    assert datetime.fromisoformat(content["created_at"]).tzinfo is None


def test_the_model_field_never_claims_phobert_without_its_weights(shop, command):
    _, result = command()
    assert result["model"] == "tfidf-char-word-svd"
    assert result["degraded"] is True
    assert "vinai/phobert-base" in result["degraded_reason"]
    assert read_file(shop)["model"] == "tfidf-char-word-svd"


def test_similar_texts_have_similar_vectors(shop, command):
    command()
    vectors = shop.embeddings.current().aligned(product_ids())
    # Rows of even number are cleansers, of odd number sunscreens.
    same, other = vectors[0] @ vectors[2], vectors[0] @ vectors[1]
    assert same > other + 0.2
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_a_second_run_is_skipped_with_the_guides_message(shop, command):
    command()
    before = (shop.paths.root / FILE).read_bytes()
    date_back(shop, 3)
    code, result = command()
    assert code == 0
    assert (result["status"], result["message"]) == ("skipped", "Fresh (3 days old)")
    assert before != b""


@pytest.mark.parametrize(("days", "status"), [(0, "skipped"), (6, "skipped"), (7, "success")])
def test_embeddings_younger_than_seven_days_are_fresh(shop, command, days, status):
    command()
    date_back(shop, days)
    assert command()[1]["status"] == status


def test_force_embeds_again_although_fresh(shop, command):
    command()
    date_back(shop, 3)
    code, result = command("--force")
    assert (code, result["status"]) == (0, "success")
    assert result["n_encoded"] > 0
    assert command()[1]["message"] == "Fresh (0 days old)"


def test_a_new_product_is_embedded_although_the_file_is_young(shop, command):
    command()
    write_snapshot(shop, n_extra_products=1)
    code, result = command()
    assert (code, result["status"]) == (0, "success")
    assert len(read_file(shop)["product_ids"]) == len(product_ids()) + 1


def test_a_torn_file_is_written_again_even_while_fresh(shop, command):
    command()
    file = shop.paths.root / FILE
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    assert command()[1]["status"] == "skipped"
    assert file.read_bytes() == whole


def test_without_a_snapshot_the_command_fails_and_says_what_to_run(tmp_path, monkeypatch, command):
    (tmp_path / "config").mkdir()
    monkeypatch.setenv("PROJECT_DIR", str(tmp_path))
    code, result = command()
    assert (code, result["status"]) == (1, "failed")
    assert "python -m automation.data_refresh" in result["message"]
    assert not (tmp_path / FILE).exists()


def test_with_the_weights_in_place_phobert_makes_the_vectors(shop, command):
    command()
    write_phobert(shop.paths.root / "models" / "vinai--phobert-base", width=768, layers=1)
    code, result = command()
    assert (code, result["status"], result["degraded"]) == (0, "success", False)
    content = read_file(shop)
    assert content["model"] == result["model"] == "vinai/phobert-base"
    assert content["revision"] == result["revision"]
    assert content["embeddings"].shape == (len(product_ids()), 768)
    assert result["replaces_model"] == "tfidf-char-word-svd"
    assert command()[1]["message"] == "Fresh (0 days old)"


def test_an_incomplete_weights_folder_is_named_and_the_command_still_works(shop, command):
    folder = write_phobert(shop.paths.root / "models" / "vinai--phobert-base", layers=1)
    (folder / "bpe.codes").unlink()
    code, result = command()
    assert (code, result["degraded"]) == (0, True)
    assert "lacks bpe.codes" in result["degraded_reason"]
    assert result["remedy"] == "viecomrec models fetch"


def test_weights_of_another_model_fail_clearly_and_leave_the_former_file(shop, command):
    command()
    before = (shop.paths.root / FILE).read_bytes()
    write_phobert(shop.paths.root / "models" / "vinai--phobert-base", width=32, layers=1)
    code, result = command()
    assert (code, result["status"]) == (1, "failed")
    assert "32 columns, 768 are needed" in result["message"]
    assert (shop.paths.root / FILE).read_bytes() == before
