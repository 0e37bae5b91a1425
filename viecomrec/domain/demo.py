"""What the demo does, whom it asks for, and how it says what it found."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from string import ascii_lowercase
from typing import Any

import polars as pl

UNKNOWN_USER = "khach-moi"
"""Vietnamese for a new customer; the simulated ids are numbers."""

USUAL_HISTORY = 3
"""The regular customer whom the demo asks for has about so many products."""


class Step(StrEnum):
    """The steps of the demo, in their order."""

    SHOP = "Demo shop"
    REFRESH = "Data refresh"
    EMBED = "Text embeddings"
    TRAIN = "Training"
    SERVE = "Service"
    DEPLOY = "Deployment"
    ASK = "Recommendations"
    HEALTH = "Health check"

    @property
    def number(self) -> int:
        return list(Step).index(self) + 1


@dataclass(frozen=True)
class StepReport:
    """How one step went; `is_unchanged` where there was nothing new to do."""

    step: Step
    found: str
    seconds: float
    is_unchanged: bool = False


@dataclass(frozen=True)
class Customer:
    """Somebody the demo asks for, and what they chose: names by product id, the oldest first."""

    user_id: str
    who: str
    bought: dict[str, str]


def choose_customers(interactions: pl.DataFrame, products: pl.DataFrame) -> tuple[Customer, ...]:
    """A regular customer, one with a single product, and an unknown one; always the same ones.

    The columns are those of a snapshot's files. A product with variants counts once. Who does
    not exist in the data is left out.
    """
    chosen = (
        interactions.filter(pl.col("is_positive"))
        .join(products.select("product_id", "name", "variant_group"), on="product_id")
        .sort("at", "product_id")
        .unique(["user_id", "variant_group"], keep="first", maintain_order=True)
    )
    histories = chosen.group_by("user_id").agg(
        "product_id",
        "name",
        pl.len().alias("n_products"),
        pl.col("user_index").is_not_null().all().alias("is_trainable"),
    )
    regular = histories.filter("is_trainable", pl.col("n_products") > 1).sort(
        (pl.col("n_products") - USUAL_HISTORY).abs(), "user_id"
    )
    single = histories.filter(~pl.col("is_trainable"), pl.col("n_products") == 1).sort("user_id")
    customers = [
        Customer(row["user_id"], who, dict(zip(row["product_id"], row["name"], strict=True)))
        for who, candidates in (
            ("a regular customer", regular),
            ("a customer with one product", single),
        )
        for row in candidates.head(1).iter_rows(named=True)
    ]
    return (*customers, Customer(UNKNOWN_USER, "a customer nobody knows yet", {}))


def list_problem(customer: Customer, answer: Mapping[str, Any]) -> str | None:
    """What is wrong with a list that the service gave for a customer, or None."""
    items = answer.get("items")
    if not items:
        return "an empty list"
    again = [item["name"] for item in items if item["product_id"] in customer.bought]
    return f"what they have bought already: {'; '.join(again)}" if again else None


def format_vnd(price: float | None) -> str:
    """A price as shops in Vietnam write it: 189.000 ₫; a dash where it is not known."""
    if price is None:
        return "-"
    return f"{price:,.0f}".replace(",", ".") + " ₫"


def describe_refresh(result: Mapping[str, Any]) -> str:
    """What the refresh made of the files, from the result of a refresh that did something."""
    return (
        f"{result['n_interactions']:,} interactions of {result['n_users']:,} customers, "
        f"{result['n_trainable_users']:,} of them with enough to learn from; "
        f"{result['n_quarantined']} broken rows in quarantine"
    )


def describe_training(result: Mapping[str, Any]) -> str:
    """The chosen model against popularity, from the result of a training run that trained."""
    chosen = result.get("current_best")
    metrics = result.get("models", {}).get(chosen)
    if not metrics:
        return str(result.get("message", ""))
    ours, popular = metrics["recall@10"], metrics["popularity_recall@10"]
    return f"{chosen}: Recall@10 {ours:.3f} on held-out orders, popularity alone {popular:.3f}"


def compact_reason(sentence: str, because_of: str | None, bought: Mapping[str, str]) -> str:
    """The sentence with the long name of a bought product replaced by its letter: [a], [b] ..."""
    if because_of is None or because_of not in bought:
        return sentence
    letter = ascii_lowercase[list(bought).index(because_of) % len(ascii_lowercase)]
    return sentence.replace(bought[because_of], f"[{letter}]")


REPEATABLE = frozenset({Step.SHOP, Step.REFRESH, Step.EMBED, Step.TRAIN, Step.DEPLOY})
"""Steps that have nothing to do where nothing changed."""


def is_unchanged(reports: Iterable[StepReport]) -> bool:
    """Whether every step that could have found something new found nothing."""
    return all(report.is_unchanged for report in reports if report.step in REPEATABLE)
