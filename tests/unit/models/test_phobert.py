"""PhoBERT's encoder on a tiny RoBERTa with PhoBERT's own tokenizer format."""

import numpy as np
import pytest
import torch
from tiny_models import write_phobert

from viecomrec.domain.numeric_format import NumericFormat, mean_cosine
from viecomrec.domain.product_text import product_text
from viecomrec.errors import ArtifactError
from viecomrec.models.phobert import MAX_TOKENS, PhobertEncoder
from viecomrec.models.transformer_inference import tokenised

TEXTS = [
    product_text("Sữa rửa mặt dịu nhẹ", "cho da nhạy cảm", "kiềm dầu"),
    product_text("Kem chống nắng", None, None),
    product_text("Nước tẩy trang làm sạch sâu", "Sữa rửa mặt " * 40, None),
    product_text("😀👍", None, None),
    product_text("很好用 очень", None, None),
    product_text("da " * 500, "da " * 5000, None),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_phobert(tmp_path_factory.mktemp("models") / "phobert")


def encoder(folder, **options) -> PhobertEncoder:
    options = {"model_id": "vinai/phobert-base", "revision": "r", "dimensions": 32, **options}
    return PhobertEncoder(folder, **options)


def encode(encoder, texts):
    return encoder.encode(texts, lambda _: None)


def by_hand(encoder, text):
    """One text, unpadded, through the network: the guide's own lines."""
    loaded = encoder._loaded
    inputs = loaded.tokenizer(
        encoder.prepared(text), return_tensors="pt", truncation=True, max_length=MAX_TOKENS
    )
    with torch.inference_mode():
        return loaded.network(**inputs).last_hidden_state


def test_the_vector_is_the_first_token_of_the_last_hidden_state(folder):
    phobert = encoder(folder)
    vectors = encode(phobert, TEXTS)
    assert vectors.dtype == np.float32
    for row, text in enumerate(TEXTS):
        expected = by_hand(phobert, text)[:, 0, :].numpy()[0]
        np.testing.assert_allclose(vectors[row], expected, atol=1e-5)


def test_mean_pooling_averages_the_tokens_without_the_padding(folder):
    phobert = encoder(folder, pooling="mean")
    expected = by_hand(phobert, TEXTS[1]).mean(dim=1).numpy()[0]
    np.testing.assert_allclose(encode(phobert, TEXTS)[1], expected, atol=1e-5)


def test_fields_are_segmented_one_by_one_and_joined_by_the_models_separator(folder):
    prepared = encoder(folder).prepared(TEXTS[0])
    assert prepared == "Sữa rửa mặt dịu nhẹ </s> cho da nhạy_cảm </s> kiềm dầu"
    ids = tokenised(encoder(folder)._loaded, [prepared], MAX_TOKENS)[0]
    assert ids[0] == 0
    assert ids.count(2) == 3
    assert ids[-1] == 2


def test_a_partly_segmented_text_gets_the_vector_of_the_unsegmented_one(folder):
    plain = product_text("Sữa rửa mặt", "lành tính cho da nhạy cảm", None)
    partly = product_text("Sữa rửa mặt", "lành_tính cho da nhạy cảm", None)
    assert plain == partly
    assert "nhạy_cảm" in encoder(folder).prepared(partly)


def test_long_texts_are_cut_at_256_tokens_with_their_end_token(folder):
    ids = tokenised(encoder(folder)._loaded, ["da " * 5000], MAX_TOKENS)[0]
    assert len(ids) == MAX_TOKENS
    assert (ids[0], ids[-1]) == (0, 2)


@pytest.mark.parametrize("numeric_format", NumericFormat)
def test_a_texts_vector_does_not_depend_on_its_batch(folder, numeric_format):
    phobert = encoder(folder, numeric_format=numeric_format)
    together = encode(phobert, TEXTS * 3)
    for row, text in enumerate(TEXTS):
        alone = encode(phobert, [text])[0]
        np.testing.assert_allclose(together[row], alone, atol=1e-5 * np.linalg.norm(alone))
        np.testing.assert_allclose(together[row + 6], alone, atol=1e-5 * np.linalg.norm(alone))


def test_two_runs_give_the_same_bytes(folder):
    assert encode(encoder(folder), TEXTS).tobytes() == encode(encoder(folder), TEXTS).tobytes()


def test_eight_bits_agree_with_full_precision(folder):
    short = encoder(folder).in_format(NumericFormat.INT8)
    assert mean_cosine(encode(encoder(folder), TEXTS), encode(short, TEXTS)) > 0.995
    assert short.identity.options["numeric_format"] == "int8"
    assert short.identity.key != encoder(folder).identity.key


def test_no_texts_give_no_rows(folder):
    assert encode(encoder(folder), []).shape == (0, 32)


def test_a_model_of_another_width_is_refused(folder):
    with pytest.raises(ArtifactError, match="32 columns, 768 are needed"):
        encode(encoder(folder, dimensions=768), TEXTS[:1])


def test_the_identity_is_known_without_loading_anything(tmp_path):
    identity = encoder(tmp_path / "nowhere").identity
    assert (identity.model, identity.revision) == ("vinai/phobert-base", "r")
    assert identity.options["segmenter"].startswith("underthesea-")


def test_progress_counts_every_text_once(folder):
    heard = []
    encoder(folder).encode(TEXTS, heard.append)
    assert sum(heard) == len(TEXTS)
