"""Embed the texts of the products: skip while fresh, encode what changed, publish."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from typing import Any

import numpy as np
import polars as pl
import structlog
from numpy.typing import NDArray

from viecomrec.adapters.embeddings import EmbeddingStore
from viecomrec.adapters.numeric_formats import NumericFormatStore
from viecomrec.adapters.text_vectors import TextVectorCache
from viecomrec.domain.embeddings import (
    ProductEmbeddings,
    age_in_days,
    reason_to_encode,
    texts_are_those_of,
)
from viecomrec.domain.numeric_format import (
    GATE_TEXTS,
    MIN_GATE_TEXTS,
    FormatDecision,
    NumericFormat,
    decide_format,
    mean_cosine,
    spread,
)
from viecomrec.domain.product_text import is_blank, product_text, text_hash
from viecomrec.domain.results import PipelineResult, Status
from viecomrec.errors import ArtifactError, InputError
from viecomrec.models.text_encoders import (
    FormattedEncoder,
    Postprocess,
    corpus_space,
    normalised,
    postprocessed,
)
from viecomrec.pipelines.encoder_choice import EncoderChoice

log = structlog.get_logger()

PIECE = 256
"""Texts between two savings of the work: one to three minutes of it on a CPU."""


@dataclass(frozen=True)
class EmbeddingRequest:
    force: bool = False


@dataclass(frozen=True)
class EmbeddingTools:
    """What an embedding run reads and changes."""

    store: EmbeddingStore
    choice: EncoderChoice
    formats: NumericFormatStore
    open_cache: Callable[[str], TextVectorCache]
    progress: Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
    postprocess: Postprocess
    fresh_days: int
    now: Callable[[], datetime]
    zone: tzinfo

    @property
    def key(self) -> str:
        """All that decides the published vector of a text, the texts themselves aside."""
        suffix = "" if self.postprocess == "none" else f"+{self.postprocess}"
        return self.choice.encoder.identity.key + suffix


@dataclass(frozen=True)
class ProductTexts:
    """Texts of the products and their hashes, one of each per product id."""

    product_ids: list[str]
    texts: list[str]
    hashes: list[str]

    @property
    def by_product(self) -> dict[str, str]:
        return dict(zip(self.product_ids, self.hashes, strict=True))

    @property
    def unique(self) -> dict[str, str]:
        """Hash -> text of every text that says something, longest first.

        So that the pieces that are encoded together need little padding.
        """
        said = {
            name: text
            for name, text in zip(self.hashes, self.texts, strict=True)
            if not is_blank(text)
        }
        return dict(sorted(said.items(), key=lambda item: (-len(item[1]), item[0])))


def run(request: EmbeddingRequest, products: pl.DataFrame, tools: EmbeddingTools) -> PipelineResult:
    """Bring the embeddings up to date with `products` (the snapshot's), or say they are fresh.

    InputError if no product has any text. A failure leaves the former embeddings in force.
    """
    texts = _read_texts(products)
    former = _former(request, tools)
    current = None if request.force else former
    reason = reason_to_encode(current, texts.by_product, tools.key, tools.now(), tools.fresh_days)
    if current is not None and reason is None:
        return _skip(current, tools, f"Fresh ({_age(current, tools)} days old)")
    if current is not None and _is_better_than_choice(current, texts, tools):
        return _keep(current, tools)
    reason = "forced" if request.force else reason
    log.info("embedding products", reason=reason, n_products=len(texts.texts), encoder=tools.key)
    tools = _with_measured_format(tools, texts)
    vectors, n_encoded = _vectors(request, texts, tools)
    published = _publish(texts, vectors, tools)
    return _report(published, former, n_encoded, tools)


# --- load ------------------------------------------------------------------------------
def _former(request: EmbeddingRequest, tools: EmbeddingTools) -> ProductEmbeddings | None:
    """The embeddings in force. Damaged ones are None where the run is forced, their remedy."""
    try:
        return tools.store.current()
    except ArtifactError as error:
        if not request.force:
            raise
        log.warning("the former embeddings cannot be read", error=str(error))
        return None


def _read_texts(products: pl.DataFrame) -> ProductTexts:
    if products.is_empty():
        raise InputError("The snapshot holds no products. Run: python -m automation.data_refresh")
    rows = products.select("name", "description", "feature").rows()
    texts = [product_text(name, description, feature) for name, description, feature in rows]
    if all(map(is_blank, texts)):
        raise InputError(
            "No product has a name, description or feature, so there is nothing to embed. "
            "Check data_product.csv and the column names in config/data_source.json."
        )
    return ProductTexts(products["product_id"].to_list(), texts, [*map(text_hash, texts)])


# --- decide ----------------------------------------------------------------------------
def _is_better_than_choice(
    current: ProductEmbeddings, texts: ProductTexts, tools: EmbeddingTools
) -> bool:
    """Whether the wanted encoder made `current` from these texts, and only a stand-in is here."""
    is_stand_in = tools.choice.degraded_reason is not None
    return is_stand_in and not current.degraded and texts_are_those_of(current, texts.by_product)


def _with_measured_format(tools: EmbeddingTools, texts: ProductTexts) -> EmbeddingTools:
    """Settle the numeric format of an encoder that has a choice, by measurement on these texts."""
    encoder = tools.choice.open_format
    sample = spread(list(texts.unique.values()), GATE_TEXTS)
    if encoder is None or len(sample) < MIN_GATE_TEXTS:
        return tools
    decision = _measure(encoder, sample, tools)
    log.info("numeric format", format=decision.numeric_format.value, reason=decision.reason)
    tools.formats.record(encoder.identity.key, decision)
    chosen = encoder.in_format(decision.numeric_format)
    return replace(tools, choice=replace(tools.choice, encoder=chosen, open_format=None))


def _measure(encoder: FormattedEncoder, sample: list[str], tools: EmbeddingTools) -> FormatDecision:
    if reason := encoder.why_not_int8:
        return FormatDecision(numeric_format=NumericFormat.FLOAT32, reason=reason)
    with tools.progress("measuring the numeric format", 2 * len(sample)) as advance:
        full = encoder.encode(sample, advance)
        short = encoder.in_format(NumericFormat.INT8).encode(sample, advance)
    return decide_format(mean_cosine(full, short), len(sample), "mean cosine")


# --- compute ---------------------------------------------------------------------------
def _vectors(
    request: EmbeddingRequest, texts: ProductTexts, tools: EmbeddingTools
) -> tuple[NDArray[np.float32], int]:
    """Vectors of the unique texts in their order, and how many had to be encoded."""
    encoder, unique = tools.choice.encoder, texts.unique
    if not encoder.is_per_text:
        with tools.progress("embedding products", len(unique)) as advance:
            return encoder.encode(list(unique.values()), advance), len(unique)
    cache = tools.open_cache(encoder.identity.key)
    known = set() if request.force else cache.known()
    todo = [name for name in unique if name not in known]
    with tools.progress("embedding products", len(todo)) as advance:
        for start in range(0, len(todo), PIECE):
            piece = todo[start : start + PIECE]
            cache.append(piece, encoder.encode([unique[name] for name in piece], advance))
    cache.keep_only(unique)
    cache.drop_other_encoders()
    return cache.read(list(unique)), len(todo)


# --- save and report -------------------------------------------------------------------
def _publish(
    texts: ProductTexts, vectors: NDArray[np.float32], tools: EmbeddingTools
) -> ProductEmbeddings:
    identity, unique = tools.choice.encoder.identity, texts.unique
    row = {name: at for at, name in enumerate(unique)}
    shaped = normalised(postprocessed(vectors, tools.postprocess))
    with_blank = np.vstack([shaped, np.zeros((1, shaped.shape[1]), dtype=np.float32)])
    is_fitted = tools.postprocess != "none" or not tools.choice.encoder.is_per_text
    return tools.store.publish(
        texts.product_ids,
        with_blank[[row.get(name, -1) for name in texts.hashes]],
        texts.hashes,
        described={
            **tools.choice.described(),
            "encoder_key": tools.key,
            "space": corpus_space(tools.key, unique) if is_fitted else tools.key,
            "options": {**identity.options, "postprocess": tools.postprocess},
        },
        at=tools.now().astimezone(tools.zone),
    )


def _skip(current: ProductEmbeddings, tools: EmbeddingTools, message: str) -> PipelineResult:
    if tools.store.repair_view():
        log.warning("product_embeddings.pt was missing, torn or not ours; it is written again")
    return _result(
        status=Status.SKIPPED,
        message=message,
        model=current.model,
        revision=current.revision,
        degraded=current.degraded,
        degraded_reason=current.manifest.degraded_reason,
        remedy=tools.choice.remedy,
    )


def _keep(current: ProductEmbeddings, tools: EmbeddingTools) -> PipelineResult:
    """Real vectors of unchanged texts are worth more than new ones of a stand-in."""
    log.warning("weights are missing", reason=tools.choice.degraded_reason)
    return _skip(
        current,
        tools,
        f"Kept the vectors of {current.model} ({_age(current, tools)} days old): no text changed. "
        f"{tools.choice.degraded_reason} Run: {tools.choice.remedy}",
    )


def _report(
    published: ProductEmbeddings,
    former: ProductEmbeddings | None,
    n_encoded: int,
    tools: EmbeddingTools,
) -> PipelineResult:
    if former is not None and former.model != published.model:
        log.warning("another encoder", before=former.model, now=published.model)
    return _result(
        status=Status.SUCCESS,
        message=f"{len(published.product_ids)} products embedded by {published.model}",
        **tools.choice.described(),
        remedy=tools.choice.remedy,
        numeric_format=published.manifest.options.get("numeric_format"),
        replaces_model=former.model if former and former.model != published.model else None,
        n_products=len(published.product_ids),
        n_encoded=n_encoded,
        n_reused=len(set(published.text_hashes)) - n_encoded,
        dimensions=published.dimensions,
        version=published.version,
        created_at=published.manifest.created_at,
        created_at_utc=published.created_at_utc,
    )


def _result(**fields: Any) -> PipelineResult:
    return PipelineResult.model_validate(fields)


def _age(embeddings: ProductEmbeddings, tools: EmbeddingTools) -> int:
    return age_in_days(embeddings.created_at_utc, tools.now())
