"""The shop as the four tables of its export, with the column names of the real files."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from viecomrec.domain.simulation.catalogue import (
    Catalogue,
    describe,
    product_name,
    size_name,
)
from viecomrec.domain.simulation.purchases import Purchases
from viecomrec.domain.simulation.words import (
    BRANDS,
    CATEGORIES,
    CITIES,
    CONCERNS,
    Concern,
)

SOLD_PER_REVIEW = 2.7
OUT_OF_STOCK_SHARE = 0.046
PREFERRED_SHARE = 0.3
NO_BRAND_SHARE = 0.1
"""Of the products: the brand column says no_brand, as in the real export."""


def review_table(
    catalogue: Catalogue, purchases: Purchases, stars: NDArray[np.int64], comments: list[str]
) -> pl.DataFrame:
    """`data_reviews_purchase.csv`: a review of a variant listing stands on every variant's page.

    Rows in the order of the export: page by page, newest first. Users are numbered by their
    first appearance.
    """
    row, product = _spread_over_variants(catalogue, purchases.listing)
    order = np.lexsort((purchases.user[row], -purchases.at[row], product))
    row, product = row[order], product[order]
    names = np.array([product_name(catalogue, page) for page in range(catalogue.n_products)])
    at = purchases.at[row].astype("datetime64[s]")
    return pl.DataFrame(
        {
            "user_id": _number_by_appearance(purchases.user[row]),
            "product_id": product,
            "rating": stars[row],
            "product_name_x": names[product],
            "cmt_date": np.char.replace(np.datetime_as_string(at, unit="s"), "T", " "),
            "shop_id": catalogue.shop[catalogue.listing_of[product]],
            "variation_x": _variations(catalogue)[product],
            "product_quality": stars[row].astype(np.float64),
            "processed_comment": [comments[index] for index in row.tolist()],
        }
    ).with_columns(pl.all().cast(pl.String))


def product_table(
    catalogue: Catalogue, reviews: pl.DataFrame, rng: np.random.Generator
) -> pl.DataFrame:
    """`data_product.csv`: one row per page, its star counts those of the reviews."""
    n = catalogue.n_products
    stars = _star_counts(reviews, n)
    n_ratings = stars.sum(axis=1)
    average = (stars * np.arange(1, 6)).sum(axis=1) / np.maximum(n_ratings, 1)
    in_stock = rng.random(n) >= OUT_OF_STOCK_SHARE
    brands = [BRANDS[brand] for brand in catalogue.brand[catalogue.listing_of]]
    is_unbranded = rng.random(n) < NO_BRAND_SHARE
    texts = [describe(catalogue, listing, rng) for listing in range(catalogue.n_listings)]
    return pl.DataFrame(
        {
            "avg_star": np.round(average, 1),
            "num_sold_time": np.round(n_ratings * SOLD_PER_REVIEW).astype(np.int64),
            "price": catalogue.price.astype(np.float64),
            "variation": _variations(catalogue),
            "product_id": np.arange(n),
            "shop_id": catalogue.shop[catalogue.listing_of],
            "product_name": [product_name(catalogue, page) for page in range(n)],
            "brand": [
                "no_brand" if unbranded else brand.name
                for brand, unbranded in zip(brands, is_unbranded, strict=True)
            ],
            "storage": np.where(in_stock, rng.geometric(0.01, n), 0).astype(np.float64),
            "origin": [brand.origin for brand in brands],
            "type": [CATEGORIES[kind].name for kind in catalogue.category[catalogue.listing_of]],
            "skin_kind": [one.skin_type for one in _concerns(catalogue)],
            **{f"is_{star}_star": stars[:, star - 1] for star in (5, 4, 3, 2, 1)},
            "is_commented": np.round(n_ratings * 0.63).astype(np.int64),
            "is_image": np.round(n_ratings * 0.4).astype(np.int64),
            "num_rating": n_ratings,
            "processed_description": [texts[listing] for listing in catalogue.listing_of],
            "expiry": "36",
            "send_from": [CITIES[min(draw, 5) - 1] for draw in rng.geometric(0.5, n).tolist()],
            "image_path": "",
        }
    )


def attribute_table(catalogue: Catalogue) -> pl.DataFrame:
    """`data_product_attribute.csv`: what the product is made of and good for."""
    listing = catalogue.listing_of
    concerns = _concerns(catalogue)
    return pl.DataFrame(
        {
            "product_id": np.arange(catalogue.n_products),
            "shop_id": catalogue.shop[listing],
            "product_name": [product_name(catalogue, page) for page in range(catalogue.n_products)],
            "ingredient": [
                _two_of(one.ingredients, first)
                for one, first in zip(concerns, catalogue.ingredient[listing], strict=True)
            ],
            "feature": [
                _two_of(one.benefits, first)
                for one, first in zip(concerns, catalogue.benefit[listing], strict=True)
            ],
            "skin_type": [one.skin_type for one in concerns],
            "capacity": [size_name(catalogue, page) for page in range(catalogue.n_products)],
            "design": [CATEGORIES[kind].texture for kind in catalogue.category[listing]],
            "brand": [BRANDS[brand].name.lower() for brand in catalogue.brand[listing]],
            "expiry": "3 năm kể từ ngày sản xuất",
            "origin": [BRANDS[brand].origin.lower() for brand in catalogue.brand[listing]],
        }
    )


def shop_table(catalogue: Catalogue, rng: np.random.Generator) -> pl.DataFrame:
    """`data_shop.csv`: brands' own stores first, then general shops."""
    n = catalogue.n_shops
    is_official = np.arange(n) < len(BRANDS)
    n_good = rng.geometric(0.001, n)
    return pl.DataFrame(
        {
            "shopid": np.arange(n),
            "is_shopee_verified": ~is_official,
            "is_preferred_plus_seller": rng.random(n) < PREFERRED_SHARE,
            "is_official_shop": is_official,
            "item_count": np.bincount(catalogue.shop[catalogue.listing_of], minlength=n),
            "rating_star": np.round(rng.uniform(4.5, 5, n), 6),
            "follower_count": n_good * rng.integers(2, 30, n),
            "show_official_shop_label": is_official,
            "rating_bad": n_good // 100,
            "rating_good": n_good,
            "rating_normal": n_good // 50,
        }
    )


def _spread_over_variants(
    catalogue: Catalogue, listing: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row numbers and pages: each row once for every page of its listing."""
    pages = np.bincount(catalogue.listing_of, minlength=catalogue.n_listings)
    first_page = np.cumsum(pages) - pages
    row = np.repeat(np.arange(len(listing)), pages[listing])
    first_row = np.repeat(np.cumsum(pages[listing]) - pages[listing], pages[listing])
    return row, first_page[listing[row]] + np.arange(len(row)) - first_row


def _number_by_appearance(user: NDArray[np.int64]) -> NDArray[np.int64]:
    _, first, inverse = np.unique(user, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse]


def _star_counts(reviews: pl.DataFrame, n_products: int) -> NDArray[np.int64]:
    product = reviews["product_id"].cast(pl.Int64).to_numpy()
    rating = reviews["rating"].cast(pl.Int64).to_numpy()
    return np.bincount(product * 5 + rating - 1, minlength=5 * n_products).reshape(-1, 5)


def _variations(catalogue: Catalogue) -> NDArray[np.str_]:
    pages = np.bincount(catalogue.listing_of)[catalogue.listing_of]
    names = [size_name(catalogue, page) for page in range(catalogue.n_products)]
    return np.where(pages > 1, names, "one_variation")


def _concerns(catalogue: Catalogue) -> list[Concern]:
    return [CONCERNS[number] for number in catalogue.concern[catalogue.listing_of]]


def _two_of(words: tuple[str, ...], first: int) -> str:
    return f"{words[first]}, {words[(first + 1) % len(words)]}"
