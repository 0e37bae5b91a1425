"""The peer: a plain FastAPI endpoint with the same response model on the same factors.

Written as the tutorial of FastAPI does: a `def` handler that returns dictionaries, checked and
written by `response_model`. It ranks by the factors alone and gives no reason of its own.
"""

import os
from pathlib import Path

import numpy as np
from fastapi import FastAPI

from viecomrec.bootstrap import open_installation
from viecomrec.domain.api import RecommendRequest, RecommendResponse

os.environ.setdefault("OMP_NUM_THREADS", "1")


def create_app() -> FastAPI:
    installation = open_installation(Path.cwd())
    registry = installation.registry.read()
    model = installation.models.load(registry.record(registry.desired))
    user, item, ids = (
        np.asarray(model.factors.user),
        np.asarray(model.factors.item),
        model.factors.ids,
    )
    snapshot = installation.snapshots.require_current()
    products = snapshot.products().to_dicts()
    interactions = snapshot.interactions().select("user_index", "item_index").drop_nulls()
    seen: dict[int, list[int]] = {}
    for row, column in interactions.iter_rows():
        seen.setdefault(row, []).append(column)
    app = FastAPI()

    def ranked(request: RecommendRequest) -> list[dict]:
        row = ids.user_index(request.user_id)
        if row is None:
            return []
        scores = item @ user[row]
        scores[seen.get(row, [])] = -np.inf
        best = np.argpartition(-scores, request.topk)[: request.topk]
        best = best[np.argsort(-scores[best])]
        return [
            {
                **{
                    name: products[column][name]
                    for name in (
                        "product_id",
                        "name",
                        "brand",
                        "category",
                        "price",
                        "rating",
                        "sold",
                    )
                },
                "rank": rank,
                "score": float(scores[column]),
                "signals": {
                    "cf": float(scores[column]),
                    "content": 0,
                    "popularity": 0,
                    "quality": 0,
                },
                "reason": "also_bought",
                "reason_en": "Chosen by customers with a similar taste",
                "reason_vi": "Được khách hàng có sở thích tương tự chọn",
            }
            for rank, column in enumerate(best.tolist(), start=1)
        ]

    def answer(request: RecommendRequest) -> dict:
        return {
            "user_id": request.user_id,
            "model_id": model.model_id,
            "source": "factors",
            "is_fallback": False,
            "items": ranked(request),
        }

    @app.post("/recommend", response_model=RecommendResponse)
    def recommend(request: RecommendRequest) -> dict:
        return answer(request)

    @app.post("/in_the_loop", response_model=RecommendResponse)
    async def recommend_in_the_loop(request: RecommendRequest) -> dict:
        """The same without the thread pool: the fastest that FastAPI itself does this."""
        return answer(request)

    return app
