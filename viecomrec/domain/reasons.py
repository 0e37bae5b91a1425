"""Why a product stands in a list, in words for a person."""

from typing import NamedTuple

from viecomrec.domain.api import Reason


class Evidence(NamedTuple):
    """The kind of reason, the column of the product it goes with, and how many people."""

    reason: Reason
    because_of: int | None = None
    n_people: int = 0


POPULAR = Evidence(Reason.POPULAR)
PINNED = Evidence(Reason.PINNED)
MATCHES_QUERY = Evidence(Reason.MATCHES_QUERY)
SAME_TASTE = Evidence(Reason.ALSO_BOUGHT)
"""Learnt from people with similar choices; no single product of the user explains it."""


def sentences(evidence: Evidence, goes_with: str | None) -> tuple[str, str]:
    """The reason in English and in Vietnamese; `goes_with` names the other product."""
    if evidence.reason is Reason.PINNED:
        return "Recommended by the shop", "Cửa hàng đề xuất"
    if evidence.reason is Reason.MATCHES_QUERY:
        return "Found by your search", "Phù hợp với từ khóa tìm kiếm"
    if evidence.reason is Reason.SIMILAR_TEXT:
        return f"Its description is similar to {goes_with}", f"Mô tả tương tự {goes_with}"
    if evidence.reason is Reason.POPULAR:
        return (
            "Popular with customers of this shop",
            "Được nhiều khách hàng của cửa hàng chọn",
        )
    if goes_with is None:
        return (
            "Chosen by customers with a similar taste",
            "Được khách hàng có sở thích tương tự chọn",
        )
    people = evidence.n_people
    customers = "1 customer" if people == 1 else f"{people} customers"
    return (
        f"{customers} who chose {goes_with} chose this too",
        f"{people} khách hàng đã chọn {goes_with} cũng chọn sản phẩm này",
    )
