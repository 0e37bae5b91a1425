"""The models that a warm start goes on from."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import structlog

from viecomrec.adapters.registry import ModelArtifact, ModelStore, RegistryStore
from viecomrec.domain.identity import IdMap
from viecomrec.domain.recipes import Recipe, recipe_from
from viecomrec.domain.registry import ModelRecord, ModelType
from viecomrec.errors import VieComRecError
from viecomrec.models.variants import VariantGroups
from viecomrec.models.warm_start import WarmStart, map_by_ids

log = structlog.get_logger()


@dataclass(frozen=True)
class PreviousModels:
    """The newest readable model of each kind and recipe name; none unless `is_wanted`.

    A model that was made with the vectors of another encoder than `encoder` is no start. The
    same encoder fitted to other texts is: factors are mapped by ids, and the map from text to
    factors is learnt anew from today's vectors.
    """

    registry: RegistryStore
    models: ModelStore
    ids: IdMap
    groups: VariantGroups
    encoder: str | None
    is_wanted: bool

    def start_of(self, recipe: Recipe) -> WarmStart | None:
        """Where the fit of `recipe` starts; None for a cold start."""
        artifact = self._newest.get((recipe.model_type, recipe.name))
        if artifact is None:
            return None
        return map_by_ids(
            artifact.model_id, artifact.factors, artifact.params["solver"], self.ids, self.groups
        )

    def tuned_recipes(self, model_types: Sequence[ModelType]) -> list[Recipe]:
        """The tuned recipes of all these kinds, or none at all where one is missing."""
        found = [self._newest.get((one, "tuned")) for one in model_types]
        return [recipe_from(one.params["recipe"]) for one in found if one] if all(found) else []

    @cached_property
    def _newest(self) -> dict[tuple[str, str], ModelArtifact]:
        if not self.is_wanted:
            return {}
        newest: dict[tuple[str, str], ModelArtifact] = {}
        for record in sorted(self.registry.read().models.values(), key=_age, reverse=True):
            if {(record.model_type, name) for name in ("guide", "tuned")} <= set(newest):
                continue
            artifact = self._usable(record)
            if artifact is not None:
                kind = (record.model_type, str(artifact.params["recipe"]["name"]))
                newest.setdefault(kind, artifact)
        return newest

    def _usable(self, record: ModelRecord) -> ModelArtifact | None:
        try:
            artifact = self.models.load(record)
        except VieComRecError as error:
            log.warning("a previous model cannot be read", error=str(error))
            return None
        encoder = artifact.metadata.get("embedding_model")
        if artifact.metadata.get("content_initialised") and encoder != self.encoder:
            log.warning(
                "a previous model was made with another text encoder: cold start",
                model_id=record.model_id,
                encoder=encoder,
            )
            return None
        return artifact


def _age(record: ModelRecord) -> tuple[str, int, str]:
    return record.created_at_utc, len(record.model_id), record.model_id
