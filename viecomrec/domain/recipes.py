"""How a model is made: everything a trainer needs besides the data, as a record."""

import hashlib
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class _Recipe(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    @property
    def key(self) -> str:
        """Names the recipe after its numbers; its name does not count."""
        text = self.model_dump_json(exclude={"name"})
        return hashlib.sha256(text.encode()).hexdigest()[:12]


class AlsRecipe(_Recipe):
    """ALS as the solver runs it; the same recipe on the same data gives the same bytes.

    c = unobserved_weight + alpha x confidence on observed pairs (Hu, Koren, Volinsky 2008 with
    an unobserved weight of 1), ridge as in `models.row_solver.RowSolver`.
    """

    model_type: Literal["als"] = "als"
    name: str
    factors: int
    regularization: float
    iterations: int
    alpha: float
    unobserved_weight: float = 1.0
    regularization_exponent: float = 0.0
    content_scale: float = 0.0
    """Length of the content vectors that the item factors start from; 0 starts at random."""

    cold_threshold: int = 0
    """Items with fewer training interactions get their factor from their text after fitting."""

    seed: int = 42

    def solver(self) -> dict[str, Any]:
        """What fold-in needs, under `params["solver"]`."""
        return self.model_dump(mode="json", exclude={"model_type", "name"})


class SparkAlsRecipe(_Recipe):
    """ALS as Spark runs it with implicit preferences: c = 1 + alpha x confidence.

    Spark's ridge of a row is `reg_param` times the number of its interactions (Zhou et al. 2008).
    What it cannot be told otherwise comes as rows: `models.spark_ratings`.
    """

    model_type: Literal["als"] = "als"
    engine: Literal["spark"] = "spark"
    name: str
    factors: int
    reg_param: float
    iterations: int
    alpha: float
    fillers: bool = False
    """Whether the ridge counts what was not bought too, as in Rendle et al. 2022."""

    text_weight: float = 0.0
    """Of a product in the row of its own text, in units of the mean confidence; 0 for no rows."""

    text_neighbours: int = 10
    popularity_bias: float = 0.0
    """Weight of log(1 + interactions) of an item, in units of the spread of the scores."""

    cold_threshold: int = 0
    seed: int = 42

    @property
    def content_scale(self) -> float:
        """Spark chooses the first factors itself."""
        return 0.0


GUIDE_CONTENT_SCALE = 0.3
"""The guide asks for content initialisation and is silent on the length of the vectors."""


def guide_als_recipe(config: dict[str, Any], seed: int, *, has_content: bool) -> AlsRecipe:
    """The guide's configuration, to the letter: c = 1 + alpha x confidence, one plain ridge."""
    content = bool(config["use_bert_init"]) and has_content
    return AlsRecipe(
        name="guide",
        factors=config["factors"],
        regularization=config["regularization"],
        iterations=config["iterations"],
        alpha=config["alpha"],
        content_scale=GUIDE_CONTENT_SCALE if content else 0.0,
        cold_threshold=config["bert_init_cold_threshold"] if content else 0,
        seed=seed,
    )


def guide_spark_recipe(config: dict[str, Any], seed: int, *, has_content: bool) -> SparkAlsRecipe:
    """The guide's configuration through Spark, which starts from factors of its own."""
    return SparkAlsRecipe(
        name="guide",
        factors=config["factors"],
        reg_param=config["regularization"],
        iterations=config["iterations"],
        alpha=config["alpha"],
        cold_threshold=config["bert_init_cold_threshold"] if has_content else 0,
        seed=seed,
    )


class BprRecipe(_Recipe):
    """BPR as the trainer runs it (Rendle et al. 2009)."""

    model_type: Literal["bpr"] = "bpr"
    name: str
    factors: int
    learning_rate: float
    regularization: float
    epochs: int
    neg_sample_ratio: float
    """Share of hard negatives: disliked by the user, else popular and never touched."""

    popular_share: float = 0.0
    """Share of negatives that are drawn by popularity beside the hard ones."""

    early_stopping: bool = True
    patience: int = 5
    min_delta: float = 0.001
    content_scale: float = 0.0
    start: AlsRecipe | None = None
    """The ALS whose factors the descent starts from; None starts from content or at random."""

    cold_threshold: int = 0
    seed: int = 42


Recipe = AlsRecipe | BprRecipe | SparkAlsRecipe


def recipe_from(stored: dict[str, Any]) -> Recipe:
    """A recipe as `params.json` keeps it."""
    if stored.get("model_type") == "bpr":
        return BprRecipe.model_validate(stored)
    if stored.get("engine") == "spark":
        return SparkAlsRecipe.model_validate(stored)
    return AlsRecipe.model_validate(stored)


def guide_bpr_recipe(
    config: dict[str, Any],
    stopping: dict[str, Any],
    seed: int,
    *,
    has_content: bool,
    cold_threshold: int,
) -> BprRecipe:
    """The guide's configuration, to the letter; started from content where there is some."""
    return BprRecipe(
        name="guide",
        **{key: config[key] for key in ("factors", "learning_rate", "regularization", "epochs")},
        neg_sample_ratio=config["neg_sample_ratio"],
        early_stopping=stopping["enabled"],
        patience=stopping["patience"],
        min_delta=stopping["min_delta"],
        content_scale=GUIDE_CONTENT_SCALE if has_content else 0.0,
        cold_threshold=cold_threshold if has_content else 0,
        seed=seed,
    )
