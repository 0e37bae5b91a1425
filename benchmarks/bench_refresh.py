"""The refresh against the same steps written plainly in pandas: same results, CPU, memory.

Each side runs in a process of its own on a generated export of ViEcomRec's shape; both are given
the same fitted comment scorer. The sides alternate; the medians count. The results are compared
value for value before any figure is written.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from viecomrec.bootstrap import Installation
    from viecomrec.domain.results import PipelineResult

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--export", type=Path, help="folder with CSV files; else a simulated shop")
    parser.add_argument("--users", type=int, default=304_708, help="users of the simulated shop")
    parser.add_argument("--name", default="simulated", help="name of the export in the report")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument(
        "--side", choices=("viecomrec", "incremental", "pandas"), help=argparse.SUPPRESS
    )
    parser.add_argument("--project", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        print(json.dumps(_run_side(arguments.side, arguments.project)))
        return
    report = compare(arguments.export, arguments.users, arguments.repeat)
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / "refresh.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**known, arguments.name: report}, indent=2) + "\n")
    print(json.dumps(report, indent=2))


def compare(export: Path | None, n_users: int, repeat: int) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        (project / "data").mkdir()
        if export is None:
            _simulate(project, n_users)
        else:
            (project / "data" / "published_data").symlink_to(export.resolve())
        first = _side("viecomrec", project)  # fits the scorer, once for both
        runs: dict[str, list[dict[str, float]]] = {"viecomrec": [], "pandas": []}
        for _ in range(repeat):
            for side, measured in runs.items():
                measured.append(_side(side, project))
        _require_equal(project)
        runs["incremental"] = [_side("incremental", project) for _ in range(repeat)]
    ours, theirs, incremental = (_medians(runs[side]) for side in (*runs,))
    return {
        "at_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "versions": _versions(),
        "repeat": repeat,
        "viecomrec": ours,
        "viecomrec_with_fitting_of_the_scorer": first,
        "pandas": theirs,
        "viecomrec_60_events_incrementally": incremental,
        "times_less_cpu": round(theirs["cpu_seconds"] / ours["cpu_seconds"], 2),
        "times_less_memory": round(theirs["peak_mb"] / ours["peak_mb"], 2),
        "incremental_share_of_full": round(
            incremental["cpu_seconds_without_imports"] / ours["cpu_seconds_without_imports"], 3
        ),
        "results": "identical",
    }


def _simulate(project: Path, n_users: int) -> None:
    import numpy as np

    from viecomrec.adapters.demo_shop import DemoShopFiles
    from viecomrec.domain.simulation import simulate_shop

    published = project / "data" / "published_data"
    configuration = (project / "marker.json", project / "unused.json", project / "unused2.json")
    shop = simulate_shop(n_users, 2244, np.random.default_rng(7))
    DemoShopFiles(published, *configuration).write(shop, 7, n_users, 2244)


def _side(side: str, project: Path) -> dict[str, float]:
    command = [sys.executable, __file__]
    done = subprocess.run(
        [*command, "--side", side, "--project", str(project)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured


def _run_side(side: str, project: Path) -> dict[str, float]:
    """Everything counts in `cpu_seconds`: imports, reading, writing."""
    work = _pandas(project) if side == "pandas" else _ours(project, side)
    imported = time.process_time()
    work()
    return {
        "cpu_seconds": round(time.process_time(), 2),
        "cpu_seconds_without_imports": round(time.process_time() - imported, 2),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }


def _pandas(project: Path) -> Callable[[], object]:
    from pandas_refresh import refresh_with_pandas

    return lambda: refresh_with_pandas(project)


def _ours(project: Path, side: str) -> Callable[[], object]:
    from viecomrec.adapters.memory import return_memory_soon

    return_memory_soon(os.environ)  # as the door does
    from viecomrec.bootstrap import Installation
    from viecomrec.paths import ProjectPaths
    from viecomrec.pipelines.data_refresh import RefreshRequest, run
    from viecomrec.settings import Settings

    installation = Installation(ProjectPaths(project), Settings(tz="Asia/Ho_Chi_Minh"))
    if side == "incremental":
        _stage(installation, 60)
    tools = installation.refresh_tools()
    return lambda: _expect(run(RefreshRequest(force_full=side == "viecomrec"), tools), side)


def _stage(installation: "Installation", n_events: int) -> None:
    """Events of known and new users after the last one of the export."""
    import numpy as np
    import polars as pl

    from viecomrec.adapters.staging import StagingLog
    from viecomrec.domain.events import Event

    snapshot = installation.snapshots.require_current()
    rng = np.random.default_rng(int(snapshot.version[:8], 16))
    rows = snapshot.interactions().sample(n_events, seed=int(rng.integers(1 << 30)))
    last = snapshot.interactions().select(pl.col("at").max()).item()
    events = [
        Event(
            user_id=user if number % 3 else f"new-{number}-{snapshot.version}",
            product_id=product,
            rating=5,
            at=last + timedelta(minutes=number + 1),
            comment="rất thích, da mịn hẳn",
        )
        for number, (user, product) in enumerate(
            zip(rows["user_id"], rows["product_id"].reverse(), strict=True)
        )
    ]
    StagingLog(installation.paths.staging).append(events)


def _expect(result: "PipelineResult", side: str) -> None:
    wanted = "incremental" if side == "incremental" else "full"
    if result.as_json()["mode"] != wanted:
        raise SystemExit(f"expected a {wanted} refresh, got {result.as_json()}")


def _require_equal(project: Path) -> None:
    import numpy as np
    import polars as pl
    from scipy.sparse import load_npz

    ours, theirs = project / "data" / "processed", project / "pandas"
    left, right = (pl.read_parquet(side / "interactions.parquet") for side in (ours, theirs))
    columns = ["event_id", "user_id", "product_id", "at", "confidence", "user_index", "part"]
    order = ["user_id", "at", "product_id"]
    for column in columns:
        a, b = (frame.sort(order)[column] for frame in (left, right))
        same = np.allclose(a, b, atol=1e-5) if column == "confidence" else a.equals(b)
        if not same:
            raise SystemExit(f"the sides differ in {column}")
    for name in ("X_train_confidence.npz", "X_train_binary.npz"):
        a, b = load_npz(ours / name), load_npz(theirs / name)
        if a.shape != b.shape or abs(a - b).max() > 1e-5:
            raise SystemExit(f"the sides differ in {name}")


def _medians(runs: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


def _versions() -> dict[str, str]:
    import numpy as np
    import pandas as pd
    import polars as pl

    return {"numpy": np.__version__, "pandas": pd.__version__, "polars": pl.__version__}


if __name__ == "__main__":
    main()
