"""A shop's export written by hand, and the installation that reads it."""

import csv
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from viecomrec.bootstrap import Installation
from viecomrec.paths import ProjectPaths
from viecomrec.pipelines.data_refresh import RefreshRequest, run
from viecomrec.settings import Settings

NOW = datetime(2026, 1, 31, 8, 0, tzinfo=UTC)
HEADER = ("user_id", "product_id", "rating", "cmt_date", "comment")
GOOD, BAD = "sản phẩm tốt, rất thích", "hàng giả, quá thất vọng"

Row = tuple[object, ...]


def write_export(root: Path, reviews: Iterable[Row], n_products: int = 6) -> Installation:
    """Write reviews and a catalogue p0, p1, ... and return the installation around them."""
    write_reviews(root, reviews)
    write_table(
        root / "data/published_data/data_product.csv",
        ("product_id", "product_name", "price", "brand"),
        [(f"p{n}", f"Sữa rửa mặt số {n}", 1000 * n, "no_brand") for n in range(n_products)],
    )
    return Installation(ProjectPaths(root), Settings(tz="Asia/Ho_Chi_Minh"), lambda: NOW)


def write_reviews(root: Path, reviews: Iterable[Row], header: Row = HEADER) -> Path:
    return write_table(root / "data/published_data/data_reviews_purchase.csv", header, reviews)


def write_table(path: Path, header: Row, rows: Iterable[Row]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
    return path


def some_reviews(n_users: int = 30) -> list[Row]:
    """Each user buys two products on two days; every fifth dislikes the second one."""
    rows: list[Row] = []
    for user in range(n_users):
        first, second = user % 6, (user + 1) % 6
        likes = user % 5 != 0
        day = 1 + user % 27
        rows.append((f"u{user}", f"p{first}", 5, f"2025-03-{day:02d} 10:00:00", f"{GOOD} {user}"))
        rows.append(
            (
                f"u{user}",
                f"p{second}",
                5 if likes else 1,
                f"2025-04-{day:02d} 10:00:00",
                f"{GOOD if likes else BAD} {user}",
            )
        )
    return rows


def refresh(installation: Installation, **flags: bool):
    return run(RefreshRequest(**flags), installation.refresh_tools())


def files_of(root: Path) -> dict[str, bytes]:
    """Every file under `root` with its bytes, to state that nothing changed."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }
