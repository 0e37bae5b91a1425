"""The reviews of a shop, read in batches: checked, scored and identified."""

from collections.abc import Callable
from dataclasses import dataclass, field

import polars as pl

from viecomrec.adapters.row_spill import RowSpill
from viecomrec.adapters.shop_files import ShopFiles
from viecomrec.domain import columns as c
from viecomrec.domain.checks import RowChecker, require_few_bad
from viecomrec.domain.comment_quality import CommentScorer, ScorerWeights
from viecomrec.domain.comment_trust import trust
from viecomrec.domain.contracts import REVIEWS
from viecomrec.domain.interactions import ROW_COLUMNS, identify
from viecomrec.models.comment_quality import fit_scorer

MAX_EXAMPLES = 10_000
"""Comments of either side that a scorer is fitted on; more no longer help."""

FIT_SEED = 42
SOME_COMMENTS = 5_000
EXAMPLES = pl.Schema({c.COMMENT: pl.String(), "is_positive": pl.Boolean()})


@dataclass
class ReviewReading:
    """What has been read so far: rows go on to `spill`, bad ones stay here."""

    spill: RowSpill
    n_rows: int = 0
    n_good: int = 0
    quarantined: list[pl.DataFrame] = field(default_factory=list)
    claimed_ids: set[str] = field(default_factory=set)
    """Those of the wanted event ids that reviews have."""


def read_reviews(
    shop: ShopFiles,
    scorer: CommentScorer,
    begin: Callable[[], RowSpill],
    event_ids: pl.Series,
    *,
    zone: str,
    max_bad_share: float,
) -> ReviewReading:
    """Every review of the export, good or quarantined; raises InputError if too many are bad.

    Texts are dropped batch by batch, so that a row is numbers and ids only. `event_ids` are those
    of the events, to tell which of them name a review.
    """
    source = shop.path(REVIEWS).name
    checker = RowChecker(source, zone)

    def take_in(reading: ReviewReading, raw: pl.DataFrame) -> None:
        good, bad = checker.check(raw)
        rows = identify(scored(good, scorer)).select(ROW_COLUMNS)
        reading.n_rows += raw.height
        reading.n_good += rows.height
        reading.quarantined.append(bad)
        if len(event_ids):
            ids = rows[c.EVENT_ID]
            reading.claimed_ids.update(ids.filter(ids.is_in(event_ids.implode())))
        reading.spill.add(rows)

    reading = shop.fold_reviews(lambda: ReviewReading(begin()), take_in)
    require_few_bad(reading.n_rows, pl.concat(reading.quarantined), max_bad_share, source)
    return reading


def scored(rows: pl.DataFrame, scorer: CommentScorer) -> pl.DataFrame:
    """Add the quality of each comment: the scorer's opinion times the trust in the text.

    Each distinct text is scored once; a comment that is not there is neutral.
    """
    texts = rows[c.COMMENT].unique(maintain_order=True)
    opinion = pl.Series(c.COMMENT_QUALITY, scorer.score(texts.to_list()), dtype=pl.Float32)
    adjusted = (opinion * trust(texts)).zip_with(texts != "", opinion)
    quality = pl.DataFrame([texts, adjusted.rename(c.COMMENT_QUALITY)])
    return rows.join(quality, on=c.COMMENT, how="left", maintain_order="left")


def fit_on_reviews(
    shop: ShopFiles, *, zone: str, max_bad_share: float, positive_rating: float
) -> ScorerWeights:
    """Fit the self-trained scorer on the shop's own comments and stars.

    Nothing is learnt from an export that the refresh will not accept: raises InputError as
    `read_reviews` does.
    """
    source = shop.path(REVIEWS).name
    checker = RowChecker(source, zone)

    def take_in(found: _Examples, raw: pl.DataFrame) -> None:
        good, bad = checker.check(raw)
        examples = good.filter(pl.col(c.COMMENT) != "").select(
            c.COMMENT, is_positive=pl.col(c.RATING) >= positive_rating
        )
        found.n_rows += raw.height
        found.quarantined.append(bad)
        found.rows = _bounded(pl.concat([found.rows, examples]))

    found = shop.fold_reviews(_Examples, take_in)
    require_few_bad(found.n_rows, pl.concat(found.quarantined), max_bad_share, source)
    examples = found.rows
    return fit_scorer(examples[c.COMMENT].to_list(), examples["is_positive"].to_numpy(), FIT_SEED)


def first_comments(shop: ShopFiles) -> list[str]:
    """Comments of the first reviews, as they came, to try a scorer on."""
    batches = shop.map_reviews(lambda raw: raw.head(SOME_COMMENTS))
    comments = pl.concat([batch.select(c.COMMENT) for batch in batches if c.COMMENT in batch])
    return comments[c.COMMENT].drop_nulls().to_list()


@dataclass
class _Examples:
    """A bounded sample of what has been read so far."""

    rows: pl.DataFrame = field(default_factory=EXAMPLES.to_frame)
    n_rows: int = 0
    quarantined: list[pl.DataFrame] = field(default_factory=list)


def _bounded(examples: pl.DataFrame) -> pl.DataFrame:
    """At most MAX_EXAMPLES of either side, chosen by a hash of the text: a fixed fair sample."""
    order = pl.col(c.COMMENT).hash()
    return (
        examples.unique(c.COMMENT, keep="first", maintain_order=True)
        .with_columns(_order=order)
        .sort("_order", c.COMMENT)
        .filter(pl.int_range(pl.len()).over("is_positive") < MAX_EXAMPLES)
        .drop("_order")
    )
