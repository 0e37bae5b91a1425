"""What came of a run, in words and figures: what a person asks of a result before its JSON."""

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from viecomrec.service.console.frame import Visit

COUNTS = {
    "n_interactions": "rows_in",
    "n_users": "customers",
    "n_trainable_users": "learnable",
    "n_newly_trainable": "newly_trainable",
    "n_products": "products",
    "n_quarantined": "quarantined",
    "n_encoded": "texts_encoded",
    "n_reused": "texts_reused",
}
NAMED = {"model": "encoder", "model_id": "model", "remedy": "to_do"}
SAID = {"reason": "reason", "degraded_reason": "degraded"}


def facts_of(here: Visit, result: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Words and value of each figure that the result has; others stay in its JSON."""
    counts = [
        (here.t(words), here.formats.number(result[key]))
        for key, words in COUNTS.items()
        if isinstance(result.get(key), int)
    ]
    named = [
        (here.t(words), Markup("<code>{}</code>").format(result[key]))
        for key, words in NAMED.items()
        if isinstance(result.get(key), str)
    ]
    said = [
        (here.t(words), here.say(result[key]))
        for key, words in SAID.items()
        if isinstance(result.get(key), str)
    ]
    return [*counts, *named, *said]


def trained_models(here: Visit, result: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Each model that a training made: its id, its NDCG@10 and that of popularity, on test."""
    models = result.get("models")
    if not isinstance(models, Mapping):
        return []
    return [
        (name, _figure(here, told, "ndcg@10"), _figure(here, told, "popularity_ndcg@10"))
        for name, told in models.items()
        if isinstance(told, Mapping)
    ]


def _figure(here: Visit, told: Mapping[str, Any], key: str) -> str:
    value = told.get(key)
    return here.formats.number(value if isinstance(value, float) else None, 4)
