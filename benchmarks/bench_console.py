"""CPU time of each page of the console at scale 1, with a year of history in the ledger.

The shop is a demo shop of 300,000 customers, made and trained here, or that of `--project-dir`,
of which a copy gets the made-up history. Each page is asked many times; counted is the CPU time
of the server's process. Run: `make bench-console`.
"""

import argparse
import json
import platform
import shutil
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import httpx2
import numpy as np
import psutil

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))  # what the tests share is no package

from console_history import write_history  # noqa: E402
from installation import TOKEN  # noqa: E402
from server import start_service  # noqa: E402

from viecomrec.adapters.demo_shop import DemoShopFiles  # noqa: E402
from viecomrec.adapters.door_process import DoorProcesses  # noqa: E402
from viecomrec.bootstrap import Installation  # noqa: E402
from viecomrec.domain.simulation import catalogue_size, simulate_shop  # noqa: E402
from viecomrec.paths import ProjectPaths  # noqa: E402
from viecomrec.service.console.frame import HEALTH_LASTS  # noqa: E402
from viecomrec.settings import load_settings  # noqa: E402

RESULT = HERE / "results" / "console.json"
N_USERS, SEED, DAYS = 300_000, 7, 365
WARM_UP, ROUNDS, FIRST_LOOKS = 3, 20, 5
LIMIT_MS = 100.0
PAGES = {
    "today": "/",
    "jobs": "/jobs",
    "job": "/jobs/health_check",
    "runs": "/runs",
    "runs of one pipeline": "/runs?pipeline=health_check",
    "models": "/models",
    "data": "/data",
    "try a user": "/try?user=1",
    "try a basket and search": "/try?item=1&item=2&q=sua+rua+mat",
    "alerts": "/alerts",
}
DOORS = ("data_refresh", "bert_embeddings", "model_training", "model_deployment")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--project-dir", type=Path)
    given = parser.parse_args().project_dir
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "shop"
        if given is None:
            make_shop(root)
        else:
            shutil.copytree(given, root, ignore=shutil.ignore_patterns("logs"))
        report = measure(root)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=2))


def make_shop(root: Path) -> None:
    paths, n_products = ProjectPaths(root), catalogue_size(N_USERS)
    shop = simulate_shop(N_USERS, n_products, np.random.default_rng(SEED))
    DemoShopFiles(
        paths.published_data,
        paths.demo_shop_marker,
        paths.settings_file,
        paths.scheduler_config_file,
    ).write(shop, SEED, N_USERS, n_products)
    doors = DoorProcesses(root, paths.demo_logs)
    for door in DOORS:
        doors.run(door)


def measure(root: Path) -> dict[str, object]:
    paths = ProjectPaths(root)
    installation = Installation(paths, load_settings(paths))
    n_runs = write_history(installation, DAYS, np.random.default_rng(SEED))
    process, url = start_service(root)
    try:
        pages, anew = ask(url, psutil.Process(process.pid))
    finally:
        process.terminate()
        process.wait()
    statistics_of_data = installation.snapshots.require_current().statistics
    return {
        "at_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.machine()}, {psutil.cpu_count()} cores",
        "versions": {name: version(name) for name in ("starlette", "jinja2", "polars", "numpy")},
        "n_interactions": statistics_of_data["n_interactions"],
        "n_runs_in_ledger": n_runs,
        "cpu_ms": pages,
        "cpu_ms_of_today_when_everything_is_checked_anew": anew,
        "limit_ms": LIMIT_MS,
        "met": all(one["median"] < LIMIT_MS for one in (*pages.values(), anew)),
    }


def ask(url: str, process: psutil.Process) -> tuple[dict[str, dict[str, float]], dict[str, float]]:
    with httpx2.Client(base_url=url, timeout=60, follow_redirects=True) as client:
        client.post("/console/sign-in", data={"token": TOKEN})
        costs = {name: cpu_of(client, f"/console{path}", process) for name, path in PAGES.items()}
        return costs, first_looks(client, process)


def first_looks(client: httpx2.Client, process: psutil.Process) -> dict[str, float]:
    """Today after the kept health report has become too old, at most once in that time."""
    costs = []
    for _ in range(FIRST_LOOKS):
        time.sleep(HEALTH_LASTS.total_seconds() + 1)
        before = sum(process.cpu_times()[:2])
        client.get("/console/").raise_for_status()
        costs.append(1000 * (sum(process.cpu_times()[:2]) - before))
    return {"median": round(statistics.median(costs), 1), "worst": round(max(costs), 1)}


def cpu_of(client: httpx2.Client, path: str, process: psutil.Process) -> dict[str, float]:
    """Milliseconds of CPU per answer, from batches of five: the system counts in steps of 10."""
    for _ in range(WARM_UP):
        client.get(path).raise_for_status()
    costs = []
    for _ in range(ROUNDS // 5):
        before = sum(process.cpu_times()[:2])
        for _ in range(5):
            client.get(path).raise_for_status()
        costs.append(1000 * (sum(process.cpu_times()[:2]) - before) / 5)
    return {"median": round(statistics.median(costs), 1), "worst": round(max(costs), 1)}


if __name__ == "__main__":
    main()
