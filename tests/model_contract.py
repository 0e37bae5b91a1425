"""What every factor model promises; each one's test class inherits these tests."""

from datetime import UTC, datetime

import numpy as np
import planted

from viecomrec.adapters.registry import ModelStore
from viecomrec.domain.factors import Factors
from viecomrec.domain.identity import IdMap
from viecomrec.domain.registry import ModelRecord
from viecomrec.models.evaluation import constant_scores, evaluate
from viecomrec.models.popularity import popularity
from viecomrec.models.ranking import top_items

NDCG_FLOOR = 0.3
"""Planted groups of twelve: a random order within the right group gives .49, popularity .04."""


class ModelContract:
    """Subclasses say how to train; `train` returns something with user, item and scores."""

    model_type = "als"

    def train(self, data, *, seed=42, threads=1):
        raise NotImplementedError

    def test_factors_have_the_promised_shape_and_are_finite(self):
        data = planted.clusters()
        model = self.train(data)
        assert model.user.dtype == model.item.dtype == np.float32
        assert model.user.shape == (data.matrices.n_users, model.recipe.factors)
        assert model.item.shape == (data.matrices.n_items, model.recipe.factors)
        assert np.isfinite(model.user).all()
        assert np.isfinite(model.item).all()

    def test_a_checkerboard_is_completed(self):
        data = planted.checkerboard()
        model = self.train(data)
        users = np.arange(data.matrices.n_users, dtype=np.int32)
        best = top_items(model.scores, users, data.matrices.confidence, 1)[:, 0]
        assert best.tolist() == users.tolist()

    def test_planted_groups_are_found_well_above_popularity(self):
        data = planted.clusters()
        seen = data.matrices.confidence
        model = evaluate(self.train(data).scores, data.held_out.test, seen).summary["ndcg@10"]
        popular = constant_scores(popularity(data.matrices.binary))
        baseline = evaluate(popular, data.held_out.test, seen).summary["ndcg@10"]
        assert model > NDCG_FLOOR
        assert model > 4 * baseline

    def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(self):
        data = planted.clusters()
        first, again, other = self.train(data), self.train(data), self.train(data, seed=7)
        assert first.item.tobytes() == again.item.tobytes()
        assert first.user.tobytes() == again.user.tobytes()
        assert first.item.tobytes() != other.item.tobytes()

    def test_a_batch_of_users_scores_as_each_of_them_alone(self):
        data = planted.clusters()
        model = self.train(data)
        users = np.arange(40, dtype=np.int32)
        batch = model.scores(users)
        for user in users:
            alone = model.scores(users[user : user + 1])[0]
            np.testing.assert_allclose(batch[user], alone, rtol=1e-4, atol=1e-5)

    def test_what_is_stored_is_what_is_loaded(self, tmp_path):
        data = planted.clusters()
        model = self.train(data)
        ids = IdMap(
            tuple(f"u{row}" for row in range(len(model.user))),
            tuple(f"p{row}" for row in range(len(model.item))),
        )
        store = ModelStore(tmp_path)
        factors = Factors(model.user, model.item, ids, getattr(model, "item_bias", None))
        model_id = f"{self.model_type}_20260131_v1"
        path = store.save(model_id, self.model_type, factors, params={}, metrics={}, metadata={})
        record = ModelRecord(
            model_id=model_id,
            model_type=self.model_type,
            path=path,
            created_at_utc=datetime(2026, 1, 31, tzinfo=UTC).isoformat(),
            snapshot_version="s",
        )
        loaded = store.load(record).factors
        rows = np.arange(len(model.user), dtype=np.int32)
        np.testing.assert_array_equal(loaded.scores(loaded.user), model.scores(rows))
