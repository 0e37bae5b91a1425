"""What is encoded, what is reused, and what happens when a run breaks off."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from viecomrec.adapters.embeddings import EmbeddingStore
from viecomrec.adapters.numeric_formats import NumericFormatStore
from viecomrec.adapters.text_vectors import TextVectorCache
from viecomrec.domain.embeddings import EncoderIdentity
from viecomrec.domain.numeric_format import NumericFormat
from viecomrec.domain.results import Status
from viecomrec.errors import ArtifactError, InputError
from viecomrec.models.text_encoders import TfidfEncoder
from viecomrec.pipelines import bert_embeddings
from viecomrec.pipelines.bert_embeddings import EmbeddingRequest, EmbeddingTools, run
from viecomrec.pipelines.encoder_choice import EncoderChoice

NOW = datetime(2026, 1, 31, 8, tzinfo=UTC)
WIDTH = 8


class FakeEncoder:
    """One fixed vector per text; remembers what it was asked and can break off."""

    is_per_text = True
    why_not_int8 = None

    def __init__(self, revision: str = "r", noise: float = 0.0) -> None:
        self.seen: list[str] = []
        self.largest = 0
        self.fails_after: int | None = None
        self._revision = revision
        self._format = NumericFormat.FLOAT32
        self._noise = noise

    @property
    def identity(self) -> EncoderIdentity:
        return EncoderIdentity("fake", self._revision, {"numeric_format": self._format.value})

    def encode(self, texts: Sequence[str], on_progress: Callable[[int], None]):
        if self.fails_after is not None and len(self.seen) >= self.fails_after:
            raise KeyboardInterrupt
        self.seen.extend(texts)
        self.largest = max(self.largest, len(texts))
        on_progress(len(texts))
        return np.stack([self._vector(text) for text in texts])

    def _vector(self, text: str):
        rng = np.random.default_rng(list(text.encode()))
        vector = rng.normal(size=WIDTH).astype(np.float32)
        if self._format is NumericFormat.INT8:
            vector += self._noise * rng.normal(size=WIDTH).astype(np.float32)
        return vector

    def in_format(self, numeric_format: NumericFormat) -> "FakeEncoder":
        other = FakeEncoder(self._revision, self._noise)
        other.seen = self.seen
        other._format = numeric_format
        return other


def catalogue(n: int, **changed: str) -> pl.DataFrame:
    names = [changed.get(f"p{row}", f"Sản phẩm {row}") for row in range(n)]
    return pl.DataFrame(
        {
            "product_id": [f"p{row}" for row in range(n)],
            "name": names,
            "description": [None] * n,
            "feature": [None] * n,
        },
        schema_overrides={"description": pl.String, "feature": pl.String},
    )


@pytest.fixture
def tools(tmp_path) -> EmbeddingTools:
    root = tmp_path / "embeddings"
    return EmbeddingTools(
        store=EmbeddingStore(root, root / "current.json", tmp_path / "product_embeddings.pt"),
        choice=EncoderChoice(FakeEncoder()),
        formats=NumericFormatStore(tmp_path / "formats.json"),
        open_cache=lambda key: TextVectorCache(tmp_path / "cache", key),
        progress=lambda _what, _total: nullcontext(lambda _: None),
        postprocess="none",
        fresh_days=7,
        now=lambda: NOW,
        zone=UTC,
    )


def later(tools: EmbeddingTools, days: int, encoder=None, **changes) -> EmbeddingTools:
    """The same installation some days later, with an encoder that has seen nothing yet."""
    choice = EncoderChoice(encoder or FakeEncoder())
    return replace(
        tools, **{"now": lambda: NOW + timedelta(days=days), "choice": choice, **changes}
    )


def seen(tools: EmbeddingTools) -> int:
    return len(tools.choice.encoder.seen)


def test_only_new_and_changed_texts_are_encoded(tools):
    run(EmbeddingRequest(), catalogue(100), tools)
    assert seen(tools) == 100
    week_later = later(tools, 7)
    result = run(EmbeddingRequest(), catalogue(101, p3="Tên mới"), week_later)
    assert result.status is Status.SUCCESS
    assert sorted(week_later.choice.encoder.seen) == [
        "Sản phẩm 100 [SEP]  [SEP] ",
        "Tên mới [SEP]  [SEP] ",
    ]
    assert (result.n_encoded, result.n_reused) == (2, 99)


def test_reused_vectors_are_the_same_bytes_as_new_ones(tools, tmp_path):
    run(EmbeddingRequest(), catalogue(20), tools)
    week_later = later(tools, 7)
    run(EmbeddingRequest(), catalogue(30), week_later)
    incremental = tools.store.current()
    run(EmbeddingRequest(force=True), catalogue(30), later(tools, 7))
    assert tools.store.current().version == incremental.version


def test_a_week_without_changes_encodes_nothing_and_is_fresh_again(tools):
    run(EmbeddingRequest(), catalogue(10), tools)
    week_later = later(tools, 8)
    assert run(EmbeddingRequest(), catalogue(10), week_later).n_encoded == 0
    assert run(EmbeddingRequest(), catalogue(10), week_later).message == "Fresh (0 days old)"


def test_freshness_is_per_text_not_only_by_age(tools):
    run(EmbeddingRequest(), catalogue(10), tools)
    result = run(EmbeddingRequest(), catalogue(10, p1="Tên mới"), later(tools, 1))
    assert (result.status, result.n_encoded) == (Status.SUCCESS, 1)


def test_exact_duplicates_are_encoded_once_and_get_equal_vectors(tools):
    run(EmbeddingRequest(), catalogue(4, p1="Giống", p2="Giống", p3="Giống"), tools)
    assert seen(tools) == 2
    aligned = tools.store.current().aligned(["p1", "p2", "p3"])
    assert (aligned == aligned[0]).all()


def test_force_encodes_everything_again(tools):
    run(EmbeddingRequest(), catalogue(10), tools)
    again = later(tools, 1)
    assert run(EmbeddingRequest(force=True), catalogue(10), again).n_encoded == 10


def test_another_revision_encodes_everything_again(tools):
    run(EmbeddingRequest(), catalogue(10), tools)
    other = later(tools, 1, FakeEncoder("r2"))
    assert run(EmbeddingRequest(), catalogue(10), other).n_encoded == 10


def test_an_interrupted_run_continues_where_it_was(tools, monkeypatch):
    monkeypatch.setattr(bert_embeddings, "PIECE", 10)
    tools.choice.encoder.fails_after = 60
    with pytest.raises(KeyboardInterrupt):
        run(EmbeddingRequest(), catalogue(100), tools)
    assert tools.store.current() is None
    again = later(tools, 0)
    assert run(EmbeddingRequest(), catalogue(100), again).n_encoded == 40


def test_memory_is_bounded_by_pieces_however_many_the_texts(tools):
    run(EmbeddingRequest(), catalogue(3 * bert_embeddings.PIECE + 1), tools)
    assert tools.choice.encoder.largest == bert_embeddings.PIECE


def test_a_product_without_any_text_gets_zeros_and_costs_nothing(tools):
    run(EmbeddingRequest(), catalogue(3, p1=""), tools)
    assert seen(tools) == 2
    aligned = tools.store.current().aligned(["p0", "p1"])
    assert np.linalg.norm(aligned, axis=1).tolist() == pytest.approx([1, 0])


@pytest.mark.parametrize("products", [catalogue(0), catalogue(2, p0="", p1=" ")])
def test_nothing_to_embed_is_an_error_that_says_where_to_look(tools, products):
    with pytest.raises(InputError, match=r"data_refresh|data_source\.json"):
        run(EmbeddingRequest(), products, tools)


# --- numeric format --------------------------------------------------------------------
@pytest.mark.parametrize(("noise", "expected"), [(0.01, "int8"), (2.0, "float32")])
def test_a_faster_format_is_used_only_if_it_agrees_on_the_shops_texts(tools, noise, expected):
    encoder = FakeEncoder(noise=noise)
    tools = replace(tools, choice=EncoderChoice(encoder, open_format=encoder))
    result = run(EmbeddingRequest(), catalogue(80), tools)
    assert result.numeric_format == expected
    assert tools.formats.read(encoder.identity.key).numeric_format == expected
    assert tools.store.current().manifest.options["numeric_format"] == expected


def test_an_encoder_that_cannot_use_8_bits_stays_in_full_precision_and_says_why(tools):
    encoder = FakeEncoder(noise=0.01)
    encoder.why_not_int8 = "no 8 bits here"
    tools = replace(tools, choice=EncoderChoice(encoder, open_format=encoder))
    result = run(EmbeddingRequest(), catalogue(80), tools)
    assert result.numeric_format == "float32"
    assert tools.formats.read(encoder.identity.key).reason == "no 8 bits here"


def test_too_few_texts_prove_nothing_and_full_precision_is_used(tools):
    encoder = FakeEncoder(noise=0.01)
    tools = replace(tools, choice=EncoderChoice(encoder, open_format=encoder))
    assert run(EmbeddingRequest(), catalogue(10), tools).numeric_format == "float32"
    assert tools.formats.read(encoder.identity.key) is None


# --- stand-in encoder ------------------------------------------------------------------
STAND_IN = EncoderChoice(TfidfEncoder(WIDTH), "The weights are not here.", "fetch them")


def test_a_stand_in_does_not_replace_real_vectors_of_unchanged_texts(tools):
    run(EmbeddingRequest(), catalogue(10), tools)
    version = tools.store.current().version
    result = run(EmbeddingRequest(), catalogue(10), later(tools, 9, choice=STAND_IN))
    assert result.status is Status.SKIPPED
    assert "Kept the vectors of fake" in result.message
    assert "fetch them" in result.message
    assert tools.store.current().version == version


def test_a_stand_in_for_changed_texts_says_that_it_replaces_the_encoder(tools):
    run(EmbeddingRequest(), catalogue(10), tools)
    result = run(EmbeddingRequest(), catalogue(12), later(tools, 1, choice=STAND_IN))
    assert (result.status, result.degraded) == (Status.SUCCESS, True)
    assert result.replaces_model == "fake"
    assert result.degraded_reason == "The weights are not here."
    assert result.remedy == "fetch them"


def test_a_forced_run_says_too_that_it_replaces_the_encoder(tools):
    run(EmbeddingRequest(), catalogue(10), tools)
    stand_in = later(tools, 1, choice=STAND_IN)
    assert run(EmbeddingRequest(force=True), catalogue(10), stand_in).replaces_model == "fake"


def test_damaged_embeddings_are_an_error_and_a_forced_run_replaces_them(tools):
    run(EmbeddingRequest(), catalogue(10), tools)
    pointer = tools.store._pointer
    pointer.write_text("{ torn")
    with pytest.raises(ArtifactError, match=r"is damaged .*--force"):
        run(EmbeddingRequest(), catalogue(10), later(tools, 1))
    assert run(EmbeddingRequest(force=True), catalogue(10), later(tools, 1)).n_encoded == 10


def test_vectors_of_another_encoder_live_in_another_space(tools):
    run(EmbeddingRequest(), catalogue(10), tools)
    before = tools.store.current().space
    run(EmbeddingRequest(), catalogue(12), later(tools, 1, choice=STAND_IN))
    assert tools.store.current().space != before


def test_real_weights_replace_the_stand_in_although_it_is_fresh(tools):
    run(EmbeddingRequest(), catalogue(10), replace(tools, choice=STAND_IN))
    result = run(EmbeddingRequest(), catalogue(10), later(tools, 1))
    assert (result.status, result.model, result.degraded) == (Status.SUCCESS, "fake", False)


# --- after-treatment -------------------------------------------------------------------
@pytest.mark.parametrize("how", ["centre", "whiten"])
def test_after_treatment_makes_a_space_of_its_own_from_the_same_raw_vectors(tools, how):
    run(EmbeddingRequest(), catalogue(40), tools)
    plain = tools.store.current()
    treated = later(tools, 1, postprocess=how)
    assert run(EmbeddingRequest(), catalogue(40), treated).n_encoded == 0
    shaped = tools.store.current()
    assert shaped.space != plain.space
    assert not np.allclose(shaped.vectors, plain.vectors)
    np.testing.assert_allclose(np.linalg.norm(shaped.vectors, axis=1), 1, atol=1e-5)
