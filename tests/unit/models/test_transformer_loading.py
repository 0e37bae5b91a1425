"""The very loading code on tiny models of the real architectures."""

import shutil

import pytest
import torch
from tiny_models import change_configuration, write_phobert, write_sentiment

from viecomrec.errors import ArtifactError
from viecomrec.models.transformer_loading import load_phobert, load_sentiment_model


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return write_phobert(tmp_path_factory.mktemp("phobert"))


@pytest.fixture
def folder(original, tmp_path):
    return shutil.copytree(original, tmp_path / "phobert")


@pytest.mark.parametrize("safetensors", [True, False])
def test_both_forms_of_the_weights_load_as_float32_in_evaluation_mode(tmp_path, safetensors):
    loaded = load_phobert(write_phobert(tmp_path / "p", safetensors=safetensors))
    assert {weight.dtype for weight in loaded.network.parameters()} == {torch.float32}
    assert not loaded.network.training
    assert loaded.max_tokens == 256


def test_both_forms_hold_the_same_network(tmp_path):
    pickled = load_phobert(write_phobert(tmp_path / "a", safetensors=False)).network
    safe = load_phobert(write_phobert(tmp_path / "b", safetensors=True)).network
    for one, other in zip(pickled.parameters(), safe.parameters(), strict=True):
        assert torch.equal(one, other)


class Trap:
    """Unpickled, it makes a file: whoever reads it without care runs its code."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return (open, (str(self.mark), "w"))


@pytest.mark.parametrize("is_zip", [True, False])
def test_pitfall_37_a_pickle_that_would_run_code_is_refused(folder, tmp_path, is_zip):
    weights = torch.load(folder / "pytorch_model.bin", weights_only=True)
    mark = tmp_path / "ran"
    torch.save(
        {**weights, "extra": Trap(mark)},
        folder / "pytorch_model.bin",
        _use_new_zipfile_serialization=is_zip,
    )
    with pytest.raises(ArtifactError, match="cannot be loaded"):
        load_phobert(folder)
    assert not mark.exists()
    # The very file runs its code for a reader that takes no care: the trap is a real one.
    torch.load(folder / "pytorch_model.bin", weights_only=False)["extra"].close()
    assert mark.exists()


def test_pitfall_37_a_pickle_is_not_even_opened_where_the_safe_form_lies_beside_it(tmp_path):
    folder = write_phobert(tmp_path / "p", safetensors=True)
    (folder / "pytorch_model.bin").write_bytes(b"not a file of weights")
    load_phobert(folder)


def test_the_older_form_of_the_pickle_holds_the_same_network(folder, original):
    weights = torch.load(folder / "pytorch_model.bin", weights_only=True)
    torch.save(weights, folder / "pytorch_model.bin", _use_new_zipfile_serialization=False)
    older, newer = load_phobert(folder).network, load_phobert(original).network
    for one, other in zip(older.parameters(), newer.parameters(), strict=True):
        assert torch.equal(one, other)


def test_code_that_lies_in_the_folder_is_never_run(folder, tmp_path):
    marker = tmp_path / "ran"
    (folder / "modeling_evil.py").write_text(f"open({str(marker)!r}, 'w')\n")
    change_configuration(folder, auto_map={"AutoModel": "modeling_evil.Evil"})
    load_phobert(folder)
    assert not marker.exists()


def test_weights_that_are_missing_are_not_invented(folder):
    weights = torch.load(folder / "pytorch_model.bin", weights_only=True)
    del weights["roberta.encoder.layer.1.output.dense.weight"]
    torch.save(weights, folder / "pytorch_model.bin")
    with pytest.raises(ArtifactError, match=r"lacks 1 weights.*layer\.1\.output\.dense"):
        load_phobert(folder)


def test_weights_of_another_shape_are_refused(folder):
    change_configuration(folder, intermediate_size=96)
    with pytest.raises(ArtifactError, match="models fetch"):
        load_phobert(folder)


def test_another_architecture_is_refused_by_name(folder, tmp_path):
    change_configuration(folder, model_type="bert")
    with pytest.raises(ArtifactError, match=r"'bert'.*'roberta' is needed"):
        load_phobert(folder)
    with pytest.raises(ArtifactError, match=r"'xlm-roberta'.*'roberta' is needed"):
        load_phobert(write_sentiment(tmp_path / "s"))


@pytest.mark.parametrize("name", ["pytorch_model.bin", "config.json"])
def test_a_torn_file_is_refused_with_the_remedy(folder, name):
    file = folder / name
    file.write_bytes(file.read_bytes()[:-30])
    with pytest.raises(ArtifactError, match="models fetch"):
        load_phobert(folder)


@pytest.mark.parametrize("name", ["vocab.txt", "bpe.codes", "pytorch_model.bin", "config.json"])
def test_a_missing_file_is_refused_with_the_remedy(folder, name):
    (folder / name).unlink()
    with pytest.raises(ArtifactError, match="models fetch"):
        load_phobert(folder)


def test_token_numbers_of_xlm_roberta_are_sentencepieces_shifted_by_one(tmp_path):
    import sentencepiece

    folder = write_sentiment(tmp_path / "s")
    tokenizer = load_sentiment_model(folder).tokenizer
    pieces = sentencepiece.SentencePieceProcessor(str(folder / "sentencepiece.bpe.model"))
    text = "Sữa rửa mặt dịu nhẹ"
    assert tokenizer(text)["input_ids"] == [0, *(n + 1 for n in pieces.encode(text)), 2]
