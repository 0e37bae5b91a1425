"""The shelves of the simulated shop: listings, their variants, prices and texts."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from viecomrec.domain.simulation.words import (
    BRANDS,
    CATEGORIES,
    CLOSINGS,
    CONCERNS,
    INGREDIENT_SENTENCES,
    OPENINGS,
)

CONCERNS_OF_A_BRAND = 2
CHOICES = 5
"""Benefits, and ingredients, of each concern."""

N_DESIGNS = len(BRANDS) * CONCERNS_OF_A_BRAND * len(CATEGORIES) * CHOICES * CHOICES
FEWEST_PRODUCTS = 20
VARIANT_SHARE = 0.05
"""Of the listings; such a listing has two or three sizes, each with a page of its own."""

POPULARITY_SPREAD = 2.2
POPULARITY_CAP, POPULARITY_FLOOR = 6.0, 0.015
"""Log-normal sigma, and bounds in multiples of the mean: the export of the real shop cuts its
best sellers off, so the median product has 0.15 times the reviews of the mean one."""

ENDS_IN_FIVE_BELOW = 94
"""Thousands of VND: below, prices end in 5.000 or 0.000, from there on in 9.000."""

PRICE_OF_LEVEL = np.array([0.6, 1.0, 2.1])
SHOPS_PER_LISTING = 0.1
OWN_STORE_SHARE = 0.5


@dataclass(frozen=True)
class Catalogue:
    """Listings (what people choose) and products (a page each; a variant listing has several).

    All listing arrays have length n_listings; `listing_of` and `size` are per product. Shop
    numbers below `len(BRANDS)` are the brands' own stores.
    """

    brand: NDArray[np.int64]
    concern: NDArray[np.int64]
    category: NDArray[np.int64]
    benefit: NDArray[np.int64]
    ingredient: NDArray[np.int64]
    shop: NDArray[np.int64]
    n_shops: int
    popularity: NDArray[np.float64]
    quality: NDArray[np.float64]
    listing_of: NDArray[np.int64]
    size: NDArray[np.int64]
    price: NDArray[np.int64]

    @property
    def n_listings(self) -> int:
        return len(self.brand)

    @property
    def n_products(self) -> int:
        return len(self.listing_of)

    @property
    def price_level(self) -> NDArray[np.int64]:
        levels = np.array([brand.price_level for brand in BRANDS])
        return levels[self.brand]


def build_catalogue(n_products: int, rng: np.random.Generator) -> Catalogue:
    """Draw `n_products` pages, no two listings alike. ValueError outside 20 .. N_DESIGNS."""
    if not FEWEST_PRODUCTS <= n_products <= N_DESIGNS:
        raise ValueError(
            f"the catalogue has {FEWEST_PRODUCTS} to {N_DESIGNS} products, not {n_products}"
        )
    sizes = _draw_group_sizes(n_products, rng)
    n_listings = len(sizes)
    design = rng.choice(N_DESIGNS, n_listings, replace=False)
    brand, line, category, benefit, ingredient = np.unravel_index(
        design, (len(BRANDS), CONCERNS_OF_A_BRAND, len(CATEGORIES), CHOICES, CHOICES)
    )
    # Each brand is known for two concerns; neighbours in the list are known for different ones.
    concern = (brand * 2 + line * (1 + brand % 2)) % len(CONCERNS)
    n_general = max(2, int(n_listings * SHOPS_PER_LISTING))
    general = len(BRANDS) + np.minimum(rng.geometric(4 / n_general, n_listings) - 1, n_general - 1)
    listing_of = np.repeat(np.arange(n_listings), sizes)
    size = _draw_sizes(listing_of, category, rng)
    return Catalogue(
        brand=brand,
        concern=concern,
        category=category,
        benefit=benefit,
        ingredient=ingredient,
        shop=np.where(rng.random(n_listings) < OWN_STORE_SHARE, brand, general),
        n_shops=len(BRANDS) + n_general,
        popularity=_draw_popularity(category, sizes, rng),
        quality=rng.normal(0, 0.5, n_listings),
        listing_of=listing_of,
        size=size,
        price=_prices(brand[listing_of], category[listing_of], size, rng),
    )


def product_name(catalogue: Catalogue, product: int) -> str:
    """The title of a page; variants of one listing differ in the size at its end."""
    listing = int(catalogue.listing_of[product])
    kind = CATEGORIES[catalogue.category[listing]]
    concern = CONCERNS[catalogue.concern[listing]]
    benefit = concern.benefits[catalogue.benefit[listing]]
    ingredient = concern.ingredients[catalogue.ingredient[listing]]
    return (
        f"{kind.name} {BRANDS[catalogue.brand[listing]].name} {benefit} {ingredient} "
        f"cho {concern.skin_type} {size_name(catalogue, product)}"
    )


def size_name(catalogue: Catalogue, product: int) -> str:
    category = CATEGORIES[catalogue.category[catalogue.listing_of[product]]]
    return category.sizes[int(catalogue.size[product])]


def describe(catalogue: Catalogue, listing: int, rng: np.random.Generator) -> str:
    """Five to eight sentences about a listing."""
    category = CATEGORIES[catalogue.category[listing]]
    concern = CONCERNS[catalogue.concern[listing]]
    brand = BRANDS[catalogue.brand[listing]]
    first = int(catalogue.ingredient[listing])
    words = {
        "kind": category.name,
        "brand": brand.name,
        "origin": brand.origin,
        "texture": category.texture,
        "skin": concern.skin_type,
        "benefit": concern.benefits[catalogue.benefit[listing]],
        "first": concern.ingredients[first],
        "second": concern.ingredients[(first + int(rng.integers(1, CHOICES))) % CHOICES],
    }
    openings = rng.choice(len(OPENINGS), 2, replace=False)
    closings = rng.choice(len(CLOSINGS), int(rng.integers(1, 4)), replace=False)
    sentences = [
        OPENINGS[openings[0]].format(**words),
        INGREDIENT_SENTENCES[int(rng.integers(len(INGREDIENT_SENTENCES)))].format(**words),
        concern.promise,
        OPENINGS[openings[1]].format(**words),
        f"Cách dùng: {category.usage}",
        *(CLOSINGS[index] for index in closings),
    ]
    return " ".join(sentence[0].upper() + sentence[1:] for sentence in sentences)


def _draw_group_sizes(n_products: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """How many pages each listing has; they sum to `n_products`."""
    sizes = np.where(rng.random(n_products) < VARIANT_SHARE, rng.integers(2, 4, n_products), 1)
    pages = np.cumsum(sizes)
    n_listings = int(np.searchsorted(pages, n_products)) + 1
    sizes = sizes[:n_listings].copy()
    sizes[-1] -= int(pages[n_listings - 1]) - n_products
    return sizes


def _draw_sizes(
    listing_of: NDArray[np.int64], category: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Which size each page sells; the pages of one listing sell different ones."""
    n_sizes = np.array([len(kind.sizes) for kind in CATEGORIES])[category[listing_of]]
    start = rng.integers(0, 12, listing_of.max() + 1)[listing_of]
    first_page = np.searchsorted(listing_of, listing_of)
    size: NDArray[np.int64] = (start + np.arange(len(listing_of)) - first_page) % n_sizes
    return size


def _draw_popularity(
    category: NDArray[np.int64], sizes: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """The share of purchases that each listing would get if nobody had a taste.

    Variant listings are no best sellers here: a best seller with three pages would change how
    many distinct products people have.
    """
    demand = np.array([kind.demand for kind in CATEGORIES])[category]
    weight = rng.lognormal(0, POPULARITY_SPREAD, len(category)) * demand
    for _ in range(30):  # cutting lowers the mean, and with it the cut; this converges
        weight = np.minimum(weight, POPULARITY_CAP * weight.mean())
    weight = np.maximum(weight, POPULARITY_FLOOR * weight.mean())
    weight = np.where(sizes > 1, np.minimum(weight, np.median(weight)), weight)
    share: NDArray[np.float64] = weight / weight.sum()
    return share


def _prices(
    brand: NDArray[np.int64],
    category: NDArray[np.int64],
    size: NDArray[np.int64],
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Prices in VND as shops write them: 189.000, 95.000, 1.249.000."""
    level = np.array([one.price_level for one in BRANDS])[brand]
    base = np.array([kind.base_price for kind in CATEGORIES])[category]
    thousands = (
        base * PRICE_OF_LEVEL[level] * (0.7 + 0.4 * size) * rng.lognormal(0, 0.15, len(size))
    )
    rounded = np.where(
        thousands < ENDS_IN_FIVE_BELOW,
        np.round(thousands / 5) * 5,
        np.round(thousands / 10) * 10 - 1,
    )
    price: NDArray[np.int64] = (np.maximum(rounded, 5) * 1000).astype(np.int64)
    return price
