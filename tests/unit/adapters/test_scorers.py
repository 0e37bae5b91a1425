from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from viecomrec.adapters.scorers import ScorerStore
from viecomrec.domain.comment_quality import SELF_TRAINED, ScorerWeights
from viecomrec.errors import ArtifactError

FITTED = ScorerWeights(
    SELF_TRAINED, np.arange(8, dtype=np.float32), np.ones(8, dtype=bool), 0.25, 30, 20
)


@pytest.fixture
def store(tmp_path):
    return ScorerStore(
        tmp_path, tmp_path / "current.json", lambda: datetime(2026, 1, 1, tzinfo=UTC)
    )


def test_nothing_is_in_force_before_the_first(store):
    assert store.current() is None


def test_what_is_published_is_in_force_with_the_version_of_its_content(store):
    published = store.publish(FITTED)
    current = store.current()
    assert current.version == published.version
    assert (current.fitted.weights == FITTED.weights).all()
    assert (current.fitted.bias, current.fitted.n_positive) == (0.25, 30)


def test_a_scorer_that_another_process_publishes_is_taken_at_once(store, tmp_path):
    store.publish(FITTED)
    assert store.current().fitted.bias == 0.25
    other = ScorerStore(
        tmp_path, tmp_path / "current.json", lambda: datetime(2026, 1, 2, tzinfo=UTC)
    )
    published = other.publish(replace(FITTED, bias=0.5))
    assert store.current().version == published.version
    assert store.current().fitted.bias == 0.5


def test_an_altered_scorer_is_refused(store, tmp_path):
    folder = tmp_path / store.publish(FITTED).version
    np.save(folder / "weights.npy", FITTED.weights + 1)
    with pytest.raises(ArtifactError, match="was altered"):
        store.current()


def test_pitfall_37_a_pickled_array_is_refused(store, tmp_path):
    folder = tmp_path / store.publish(FITTED).version
    np.save(folder / "weights.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ArtifactError, match="cannot be read"):
        store.current()
