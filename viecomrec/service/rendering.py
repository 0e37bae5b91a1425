"""Answers as JSON: what never changes of a product is written once, when the shop is loaded."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from viecomrec.domain.api import MAX_TOPK, Reason
from viecomrec.domain.catalogue import Product
from viecomrec.domain.reasons import Evidence, sentences
from viecomrec.service.explanations import evidence_of

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


MAX_KEPT_REASONS = 20_000
"""About 6 MB."""


class ProductFragments:
    """What an item's JSON has of the product alone, as bytes: templates for its three numbers."""

    def __init__(
        self,
        products: Sequence[Product],
        popularity: NDArray[np.float32],
        quality: NDArray[np.float32],
    ) -> None:
        self._ids = [to_json(product.product_id) for product in products]
        self._names = [to_json(product.name)[1:-1] for product in products]
        fixed = zip(popularity.tolist(), quality.tolist(), strict=True)
        self._templates = [
            _template_of(product, *signals)
            for product, signals in zip(products, fixed, strict=True)
        ]
        self._reasons: dict[int, bytes] = {}
        """What ends an item, as a template too: each percent sign twice."""

    def items(
        self,
        columns: Sequence[int],
        scores: Sequence[float],
        cf: Sequence[float],
        content: Sequence[float],
        reasons: Sequence[bytes],
    ) -> bytes:
        """The items of a list, each as `domain.api.Item`, ranked from 1."""
        n, templates = len(columns), self._templates
        parts: list[bytes] = [b""] * (3 * n)
        parts[0::3] = _STARTS[:n]
        parts[1::3] = [templates[column] for column in columns]
        parts[2::3] = reasons
        numbers = [0.0] * (3 * n)
        numbers[0::3], numbers[1::3], numbers[2::3] = scores, cf, content
        # One formatting for the whole list: a step per item costs more than its numbers.
        return b"".join(parts) % tuple(numbers)

    def reasons(self, codes: Sequence[int]) -> list[bytes]:
        """The ends of items whose evidence has these codes, kept for the next ones."""
        kept = self._reasons
        return [kept.get(code) or self._kept_reason(code) for code in codes]

    def reason(self, evidence: Evidence) -> bytes:
        """The end of an item."""
        return _verbatim(self._written(evidence))

    def _kept_reason(self, code: int) -> bytes:
        if len(self._reasons) >= MAX_KEPT_REASONS:
            self._reasons.clear()
        made = self._reasons[code] = self.reason(evidence_of(code))
        return made

    def _written(self, evidence: Evidence) -> bytes:
        reason, column, people = evidence
        if column is None:
            return _reason_json(reason, *sentences(evidence, None)) + b"null}"
        name = self._names[column]
        if people > 1:
            return _ALSO_BOUGHT % (people, name, people, name, self._ids[column])
        template = _ONE_BOUGHT if people else _SIMILAR_TEXT
        return template % (name, name, self._ids[column])


class UserList(NamedTuple):
    """A finished list; `content` is its JSON, as `domain.api.RecommendResponse`."""

    n_items: int
    content: bytes


def user_list(
    user_id: str, model_id_json: bytes, source: str, fallback_reason: str | None, items: bytes
) -> bytes:
    """The JSON of a list for one user."""
    return _USER_LIST % (
        to_json(user_id),
        model_id_json,
        source.encode(),
        b"true" if source == "popularity" else b"false",
        b"null" if fallback_reason is None else to_json(fallback_reason),
        items,
    )


def to_json(value: Any) -> bytes:
    return _encode(value).encode()


def _template_of(product: Product, popularity: float, quality: float) -> bytes:
    """The JSON of an item from its score to its signals; %-formats stand for the three numbers."""
    facts = to_json(
        {
            "product_id": product.product_id,
            "name": product.name,
            "brand": product.brand,
            "category": product.category,
            "price": product.price,
            "rating": product.rating,
            "sold": product.sold,
        }
    )[1:-1]
    same_for_all = b'"popularity":%.5g,"quality":%.5g' % (popularity, quality)
    signals = b'"signals":{"cf":%%.5g,"content":%%.5g,%b},' % same_for_all
    return b"%%.6g,%b,%b" % (_verbatim(facts), signals)


def _verbatim(text: bytes) -> bytes:
    """A template that gives `text`."""
    return text.replace(b"%", b"%%")


def _reason_json(reason: Reason, english: str, vietnamese: str) -> bytes:
    fields = {"reason": reason.value, "reason_en": english, "reason_vi": vietnamese}
    return to_json(fields)[1:-1] + b',"because_of":'


def _template(n_people: int) -> bytes:
    """The sentence of `domain.reasons` with %b for the name and %d for the number of people."""
    reason = Reason.ALSO_BOUGHT if n_people else Reason.SIMILAR_TEXT
    english, vietnamese = sentences(Evidence(reason, 0, n_people), "NAME")
    template = _reason_json(reason, english, vietnamese).replace(b"NAME", b"%b")
    if n_people > 1:
        template = template.replace(str(n_people).encode(), b"%d")
    return template + b"%b}"


_USER_LIST = (
    b'{"user_id":%b,"model_id":%b,"source":"%b","is_fallback":%b,"fallback_reason":%b,"items":[%b]}'
)
_STARTS = [
    b'%b{"rank":%d,"score":' % (b"," if rank > 1 else b"", rank) for rank in range(1, MAX_TOPK + 1)
]
_SIMILAR_TEXT = _template(0)
_ONE_BOUGHT = _template(1)
_ALSO_BOUGHT = _template(987654321)
