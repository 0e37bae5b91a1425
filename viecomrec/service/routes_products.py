"""Lists of products: similar ones, found ones."""

from fastapi import APIRouter
from fastapi.responses import Response

from viecomrec.domain.api import (
    FiltersResponse,
    ProductsResponse,
    ProfileRequest,
    SearchRequest,
    SearchResponse,
    SimilarRequest,
    TextSimilarRequest,
)
from viecomrec.domain.api_state import ErrorAnswer
from viecomrec.service import products
from viecomrec.service.responses import JsonBytes, Responses
from viecomrec.service.routes_users import REFUSALS
from viecomrec.service.worker import Worker

UNKNOWN: Responses = {404: {"model": ErrorAnswer, "description": "The shop has no such product"}}


def product_routes(worker: Worker) -> APIRouter:
    routes = APIRouter(tags=["products"], responses=REFUSALS)
    bundle = worker.live.require_bundle

    @routes.post("/similar_items", response_model=ProductsResponse, responses=UNKNOWN)
    def similar_items(request: SimilarRequest) -> Response:
        """Products that the same people choose, that read alike, or both."""
        return JsonBytes(products.similar_items(bundle(), request))

    @routes.post("/search", response_model=SearchResponse)
    def search(request: SearchRequest) -> Response:
        """Vietnamese search: with or without diacritics, abbreviations, typing errors."""
        return JsonBytes(products.search(bundle(), request))

    @routes.post("/search/similar", response_model=ProductsResponse, responses=UNKNOWN)
    def search_similar(request: TextSimilarRequest) -> Response:
        """Products whose text is like that of one product."""
        by_text = SimilarRequest(**dict(request), by="text")
        return JsonBytes(products.similar_items(bundle(), by_text))

    @routes.post("/search/profile", response_model=ProductsResponse, responses=UNKNOWN)
    def search_profile(request: ProfileRequest) -> Response:
        """Products whose text goes with several products, a user's history and a query."""
        return JsonBytes(products.profile(bundle(), request))

    @routes.get("/search/filters")
    def search_filters() -> FiltersResponse:
        """What lists can be filtered by in this shop."""
        return products.filters(bundle())

    return routes
