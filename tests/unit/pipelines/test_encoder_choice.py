import json

import pytest

from viecomrec.adapters.language_models import LanguageModelFolders
from viecomrec.adapters.numeric_formats import NumericFormatStore
from viecomrec.domain.language_models import PHOBERT
from viecomrec.domain.numeric_format import NumericFormat, decide_format
from viecomrec.errors import ArtifactError
from viecomrec.pipelines.encoder_choice import choose_encoder
from viecomrec.settings import EmbeddingSettings

COMMIT = EmbeddingSettings().revision


@pytest.fixture
def folders(tmp_path) -> LanguageModelFolders:
    return LanguageModelFolders(tmp_path / "models", None)


@pytest.fixture
def formats(tmp_path) -> NumericFormatStore:
    return NumericFormatStore(tmp_path / "formats.json")


def put_weights(folders):
    folder = folders.home(PHOBERT)
    folder.mkdir(parents=True)
    for name in ("config.json", "vocab.txt", "bpe.codes", "pytorch_model.bin"):
        (folder / name).write_bytes(b"")
    (folder / "source.json").write_text(json.dumps({"revision": COMMIT}))


def test_with_weights_phobert_is_chosen_with_the_pinned_revision(folders, formats):
    put_weights(folders)
    choice = choose_encoder(EmbeddingSettings(), folders, formats)
    assert choice.described() == {
        "model": "vinai/phobert-base",
        "revision": COMMIT,
        "degraded": False,
        "degraded_reason": None,
    }


def test_without_weights_the_stand_in_says_why_and_what_to_run(folders, formats):
    choice = choose_encoder(EmbeddingSettings(), folders, formats)
    assert choice.encoder.identity.model == "tfidf-char-word-svd"
    assert "vinai/phobert-base" in choice.degraded_reason
    assert choice.remedy == "viecomrec models fetch"


def test_altered_weights_are_refused_before_they_make_a_vector(folders, formats):
    put_weights(folders)
    source = {"revision": COMMIT, "sha256": {"pytorch_model.bin": "0" * 64}}
    (folders.home(PHOBERT) / "source.json").write_text(json.dumps(source))
    choice = choose_encoder(EmbeddingSettings(), folders, formats)
    with pytest.raises(ArtifactError, match="not what was fetched"):
        choice.encoder.encode(["Sữa [SEP]  [SEP] "], lambda _: None)


def test_an_incomplete_folder_is_named_in_the_reason(folders, formats):
    put_weights(folders)
    (folders.home(PHOBERT) / "bpe.codes").unlink()
    choice = choose_encoder(EmbeddingSettings(), folders, formats)
    assert "lacks bpe.codes" in choice.degraded_reason


def test_demanding_phobert_without_weights_fails(folders, formats):
    with pytest.raises(ArtifactError, match="viecomrec models fetch"):
        choose_encoder(EmbeddingSettings(encoder="phobert"), folders, formats)


def test_a_shop_that_wants_tfidf_is_not_degraded(folders, formats):
    put_weights(folders)
    choice = choose_encoder(EmbeddingSettings(encoder="tfidf"), folders, formats)
    assert choice.encoder.identity.model == "tfidf-char-word-svd"
    assert choice.degraded_reason is None


def test_the_format_is_open_until_it_was_measured_and_then_holds(folders, formats):
    put_weights(folders)
    choice = choose_encoder(EmbeddingSettings(), folders, formats)
    assert choice.open_format is choice.encoder
    formats.record(choice.encoder.identity.key, decide_format(0.999, 500, "mean cosine"))
    settled = choose_encoder(EmbeddingSettings(), folders, formats)
    assert settled.open_format is None
    assert settled.encoder.identity.options["numeric_format"] == NumericFormat.INT8


def test_full_precision_can_be_demanded(folders, formats):
    put_weights(folders)
    first = choose_encoder(EmbeddingSettings(), folders, formats)
    formats.record(first.encoder.identity.key, decide_format(0.999, 500, "mean cosine"))
    choice = choose_encoder(EmbeddingSettings(numeric_format="float32"), folders, formats)
    assert choice.encoder.identity.options["numeric_format"] == "float32"
    assert choice.open_format is None
