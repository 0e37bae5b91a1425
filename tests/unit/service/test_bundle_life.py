import gc
import weakref

import pytest
from installation import NEW_MODEL, user_ids, write_installation

from viecomrec.domain.api import RankingRequest
from viecomrec.domain.ranking_rules import RankingRules
from viecomrec.service.bundle import empty_fresh_events, load_bundle
from viecomrec.service.recommender import recommend


@pytest.mark.parametrize("kept_whole", [True, False])
def test_a_bundle_that_nobody_uses_any_more_is_gone_without_a_garbage_collection(
    tmp_path, monkeypatch, kept_whole
):
    """What is frozen at the start is never collected: a cycle would keep an old model for ever."""
    if not kept_whole:
        monkeypatch.setattr("viecomrec.models.blend.DENSE_UP_TO", 1)
        monkeypatch.setattr("viecomrec.service.explanations.DENSE_UP_TO", 1)
    installation = write_installation(tmp_path)
    fresh = empty_fresh_events(installation)
    bundle = load_bundle(installation, NEW_MODEL, fresh, RankingRules())
    for request in (RankingRequest(), RankingRequest(rerank=False)):
        recommend(bundle, user_ids()[0], request)
    left = [weakref.ref(one) for one in (bundle, bundle.scorer, bundle.shop, bundle.shop.explainer)]
    gc.collect()
    gc.disable()
    try:
        del bundle
        assert [one() for one in left] == [None] * len(left)
    finally:
        gc.enable()
