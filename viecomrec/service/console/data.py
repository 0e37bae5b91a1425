"""Data: what came in, what was left out and why, how it changes, what drifted."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import polars as pl
from starlette.responses import Response

from viecomrec.adapters.snapshots import Snapshot
from viecomrec.domain.results import Status
from viecomrec.domain.runs import RunRecord
from viecomrec.domain.snapshots import INTERACTIONS
from viecomrec.service.console.frame import Visit

N_MONTHS, N_DAYS, N_EXAMPLES = 24, 60, 3
MEASURES = ("rating_distribution", "popularity_distribution", "interaction_rate")
VALUE_OF = {
    "rating_distribution": "total_difference",
    "popularity_distribution": "jaccard_similarity",
    "interaction_rate": "change_rate",
}


def show_data(here: Visit) -> Response:
    installation = here.console.worker.installation
    snapshot = installation.snapshots.current()
    if snapshot is None:
        return here.render("data.html", snapshot=None)
    runs = installation.ledger.recent_runs("data_refresh", 20)
    return here.render(
        "data.html",
        snapshot=snapshot,
        statistics=snapshot.statistics,
        quarantine=_quarantine(here, snapshot),
        stars=_by_month(snapshot.folder, "rating"),
        kinds=_by_month(snapshot.folder, "kind"),
        days=_days(snapshot),
        day_names=list(snapshot.statistics.get("interactions_per_day", {}))[-N_DAYS:],
        newly_trainable=newly_trainable(runs),
        drift=_drift(here),
    )


def newly_trainable(runs: Sequence[RunRecord]) -> int | None:
    """Customers whom the last refresh that did something made trainable; None before the first."""
    results = (run.result for run in runs if run.result is not None)
    latest = next((one for one in results if one.get("status") == Status.SUCCESS), {})
    return latest.get("n_newly_trainable")


def _quarantine(here: Visit, snapshot: Snapshot) -> list[dict[str, Any]]:
    """Each rule with its number of rows and some of them, as they stood in the file."""
    from viecomrec.adapters.quarantine import QuarantineFiles

    folder = here.console.worker.installation.paths.quarantine
    rows = QuarantineFiles(folder).read(snapshot.version)
    if rows is None or rows.is_empty():
        return []
    counts = rows.group_by("rule").len("n").sort("n", "rule", descending=[True, False])
    return [
        {
            "rule": rule,
            "n": n,
            "examples": rows.filter(pl.col("rule") == rule).head(N_EXAMPLES).to_dicts(),
        }
        for rule, n in counts.iter_rows()
    ]


@lru_cache(maxsize=8)
def _by_month(folder: Path, column: str) -> list[tuple[str, dict[str, float]]]:
    """The last months, each with the share of every value of the column.

    A snapshot never changes, so what was counted once stays true.
    """
    value = pl.col(column).round().cast(pl.Int64) if column == "rating" else pl.col(column)
    counted = (
        pl.scan_parquet(folder / INTERACTIONS)
        .select(
            pl.col("at").dt.strftime("%Y-%m").alias("month"), value.cast(pl.String).alias("key")
        )
        .drop_nulls()
        .group_by("month", "key")
        .len("n")
        .sort("month", "key")
        .collect()
    )
    months: dict[str, dict[str, int]] = {}
    for month, key, n in counted.iter_rows():
        months.setdefault(month, {})[key] = n
    return [
        (month, {key: n / sum(parts.values()) for key, n in parts.items()})
        for month, parts in list(months.items())[-N_MONTHS:]
    ]


def _days(snapshot: Snapshot) -> list[tuple[float, str, str]]:
    per_day = snapshot.statistics.get("interactions_per_day", {})
    return [(n, "success", f"{day}: {n}") for day, n in list(per_day.items())[-N_DAYS:]]


def _drift(here: Visit) -> dict[str, Any] | None:
    """The latest report with each measure as the picture needs it; None before the first."""
    from viecomrec.adapters.drift_files import ReportFolder

    folder = here.console.worker.installation.paths.drift_reports
    report = ReportFolder(folder).latest()
    if report is None:
        return None
    content = report.model_dump(mode="json")
    content["measures"] = [
        {"name": name, "value": content[name][VALUE_OF[name]], **content[name]} for name in MEASURES
    ]
    return content
