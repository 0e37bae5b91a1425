"""What each step costs at several sizes of a shop, and by which power of the size it grows.

Every step is the real command in a process of its own. CPU, peak memory (proportional set size,
so that shared pages count once) and wall time are those of the whole process tree: of Spark that
is Python, Java and the Python workers. A size is an export of ViEcomRec's shape:

    python benchmarks/bench_sizing.py --export 1=folder --export 10=folder --spark 10

or a simulated shop, for the growth with products: --users 100000 --products 14400
"""

import argparse
import http
import http.client
import itertools
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

RESULTS = Path(__file__).parent / "results" / "sizing.json"
POLL_SECONDS = 0.2
START_SECONDS = 300
PORT = 18_765
N_REQUESTS, N_WARM = 2_000, 200
STEPS = ("refresh", "embed", "train", "service", "backup")
SHOP_PRODUCTS = 2244
LAWS = ("cpu_seconds", "wall_seconds", "peak_mb")


@dataclass
class Meter:
    """The CPU and the peak memory of a process and of all its descendants."""

    process: psutil.Process
    cpu: dict[int, float] = field(default_factory=dict)
    peak: float = 0.0
    began: float = field(default_factory=time.monotonic)

    def look(self) -> None:
        total = 0.0
        try:
            tree = [self.process, *self.process.children(recursive=True)]
        except psutil.NoSuchProcess:
            return
        for one in tree:
            try:
                times = one.cpu_times()
                self.cpu[one.pid] = times.user + times.system
                total += one.memory_full_info().pss
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        self.peak = max(self.peak, total)

    def result(self) -> dict[str, float]:
        return {
            "cpu_seconds": round(sum(self.cpu.values()), 2),
            "wall_seconds": round(time.monotonic() - self.began, 1),
            "peak_mb": round(self.peak / 2**20, 1),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--export", action="append", default=[], metavar="SCALE=FOLDER")
    parser.add_argument("--users", action="append", type=int, default=[], help="simulated shops")
    parser.add_argument("--products", type=int, default=SHOP_PRODUCTS, help="of simulated shops")
    parser.add_argument("--spark", action="append", default=[], metavar="SCALE")
    parser.add_argument("--skip", action="append", choices=STEPS, default=[])
    parser.add_argument("--driver-memory", default="6g")
    parser.add_argument("--work", type=Path, help="where the shops are made (default: temporary)")
    parser.add_argument("--keep", action="store_true", help="and stay, to go on with other steps")
    arguments = parser.parse_args()
    exports = [tuple(one.split("=", 1)) for one in arguments.export]
    simulated = arguments.users or ([] if exports else [30_000, 300_000])
    for scale, make in [
        *(
            (scale, lambda into, folder=folder: link(Path(folder), into))
            for scale, folder in exports
        ),
        *(
            (
                f"{n} simulated users, {arguments.products} products",
                lambda into, n=n: simulate(n, arguments.products, into),
            )
            for n in simulated
        ),
    ]:
        with shop_folder(scale, arguments) as folder:
            found = measure_scale(folder, make, arguments, with_spark=scale in arguments.spark)
        write(scale, found)


@contextmanager
def shop_folder(scale: str, arguments: argparse.Namespace) -> Iterator[Path]:
    if arguments.keep:
        folder = arguments.work / f"scale-{scale}"
        folder.mkdir(exist_ok=True)
        yield folder
        return
    with tempfile.TemporaryDirectory(dir=arguments.work) as name:
        yield Path(name)


def link(export: Path, into: Path) -> None:
    into.symlink_to(export.resolve())


def simulate(n_users: int, n_products: int, into: Path) -> None:
    import numpy as np

    from viecomrec.adapters.demo_shop import DemoShopFiles
    from viecomrec.domain.simulation import simulate_shop

    unused = tuple(into.parent / f"{n}.json" for n in range(3))
    shop = simulate_shop(n_users, n_products, np.random.default_rng(7))
    DemoShopFiles(into, *unused).write(shop, 7, n_users, n_products)


def measure_scale(
    root: Path, make: Callable[[Path], None], arguments: argparse.Namespace, *, with_spark: bool
) -> dict[str, Any]:
    """Every step on one shop."""
    (root / "config").mkdir(exist_ok=True)
    (root / "data").mkdir(exist_ok=True)
    spark = {"spark": {"master": "local[2]", "driver_memory": arguments.driver_memory}}
    (root / "config" / "settings.json").write_text(json.dumps(spark))
    published = root / "data" / "published_data"
    if not published.exists():
        make(published)
    export = published / "data_reviews_purchase.csv"
    found: dict[str, Any] = {"export_mb": round(export.stat().st_size / 2**20, 1)}
    found["load_before"] = round(os.getloadavg()[1], 1)
    if "refresh" not in arguments.skip:
        found["refresh_with_fitting_of_the_scorer"] = door(root, "data_refresh")
        found["refresh"] = door(root, "data_refresh", "--force-full")
    if with_spark:
        found["refresh_spark"] = door(root, "data_refresh", "--force-full", "--engine", "spark")
    statistics = json.loads((root / "data" / "processed" / "data_stats.json").read_text())
    for name in ("n_interactions", "n_users", "n_trainable_users", "n_products"):
        found[name] = statistics[name]
    found["snapshot_mb"] = megabytes(root / "data" / "snapshots")
    if "embed" not in arguments.skip:
        found["embed"] = door(root, "bert_embeddings")
    if "train" not in arguments.skip:
        found["train"] = door(root, "model_training", "--model", "als", "--auto-select")
        found["model_mb"] = megabytes(root / "artifacts" / "cf" / "als")
        deploy_offline(root)
    if "service" not in arguments.skip:
        found["service"] = service(root)
    if "backup" not in arguments.skip:
        found["backup"] = door(root, "backup", str(root / "saved.zip"))
        found["backup_mb"] = round((root / "saved.zip").stat().st_size / 2**20, 1)
    return found


def deploy_offline(root: Path) -> None:
    """The service is not there: it will load the model at its start."""
    subprocess.run(
        [sys.executable, "-m", "automation.model_deployment"],
        env=environment(root),
        capture_output=True,
        check=False,
    )


def door(root: Path, module: str, *flags: str) -> dict[str, float]:
    """The costs of one command, which must succeed."""
    with (root / "out").open("w") as out, (root / "log").open("w") as log:
        command = [sys.executable, "-m", f"automation.{module}", *flags]
        process = psutil.Popen(command, env=environment(root), stdout=out, stderr=log)
        meter = Meter(process)
        while process.poll() is None:
            meter.look()
            time.sleep(POLL_SECONDS)
    if process.returncode:
        raise SystemExit((root / "log").read_text()[-2000:] + (root / "out").read_text())
    return meter.result()


@contextmanager
def serving(root: Path) -> Iterator[psutil.Popen]:
    command = [sys.executable, "-m", "automation.serve", "--port", str(PORT)]
    limits = ("VIECOMREC_SERVICE__REQUESTS_PER_SECOND", "VIECOMREC_SERVICE__BURST")
    env = {**environment(root), **dict.fromkeys(limits, "1000000")}
    process = psutil.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)


def service(root: Path) -> dict[str, float]:
    """From the start to the first answer of /ready; memory and CPU of lists for customers.

    Every customer is known to the model and asks once, one after the other over one connection,
    so that no answer is a kept one.
    """
    users = trained_users(root)[:N_REQUESTS]
    with serving(root) as process:
        meter = Meter(process)
        while not answers("/ready"):
            if time.monotonic() - meter.began > START_SECONDS or process.poll() is not None:
                raise SystemExit("the service did not become ready")
            time.sleep(POLL_SECONDS)
        started = meter.result()["wall_seconds"]
        meter.look()
        found = {**meter.result(), "wall_seconds": started}
        ask(users[:N_WARM])
        meter.look()
        before = meter.result()["cpu_seconds"]
        ask(users[N_WARM:])
        meter.look()
        spent = meter.result()["cpu_seconds"] - before
    per_request = round(1000 * spent / len(users[N_WARM:]), 3)
    return {**found, "peak_mb": meter.result()["peak_mb"], "request_cpu_ms": per_request}


def trained_users(root: Path) -> list[str]:
    registry = json.loads((root / "artifacts" / "cf" / "registry.json").read_text())
    record = registry["models"][registry["current_best"]]
    ids = json.loads((root / "artifacts" / "cf" / record["path"] / "ids.json").read_text())
    return list(ids["user_ids"])


def ask(users: list[str]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=60)
    for user in users:
        body = json.dumps({"user_id": user, "topk": 10})
        connection.request("POST", "/recommend", body, {"content-type": "application/json"})
        answer = connection.getresponse()
        if answer.status != http.HTTPStatus.OK or not json.loads(answer.read())["items"]:
            raise SystemExit(f"/recommend said {answer.status} to {user}")
    connection.close()


def answers(path: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{PORT}{path}", timeout=10) as reply:
            return bool(reply.status == http.HTTPStatus.OK)
    except (urllib.error.URLError, OSError):
        return False


def environment(root: Path) -> dict[str, str]:
    slow = {"OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"}
    kept = {name: value for name, value in os.environ.items() if name not in slow}
    here = str(Path(__file__).resolve().parent.parent)
    return {**kept, "PROJECT_DIR": str(root), "TZ": "Asia/Ho_Chi_Minh", "PYTHONPATH": here}


def megabytes(folder: Path) -> float:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return round(sum(path.stat().st_size for path in files) / 2**20, 1)


def write(scale: str, found: dict[str, Any]) -> None:
    """Add one scale to the report, and the powers from each export to the next larger one."""
    report = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"scales": {}}
    known = report["scales"].get(scale, {})
    report.update(
        at_utc=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=f"{platform.machine()}, {os.cpu_count()} cores",
        python=platform.python_version(),
    )
    report["scales"][scale] = {**known, **found}
    exports = {name: one for name, one in report["scales"].items() if "simulated" not in name}
    report["powers"] = powers(exports)
    RESULTS.write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps({scale: found}, indent=2), flush=True)


def powers(scales: dict[str, dict[str, Any]]) -> dict[str, dict[str, dict[str, float]]]:
    """The exponent p of cost ~ interactions^p of each step, between neighbouring sizes."""
    ordered = sorted(scales.items(), key=lambda item: item[1]["n_interactions"])
    found: dict[str, dict[str, dict[str, float]]] = {}
    for step in sorted({name for _, one in ordered for name in one if isinstance(one[name], dict)}):
        having = [item for item in ordered if step in item[1]]
        found[step] = {
            f"{low} to {high}": {law: power(step, law, small, large) for law in LAWS}
            for (low, small), (high, large) in itertools.pairwise(having)
        }
    return found


def power(step: str, law: str, small: dict[str, Any], large: dict[str, Any]) -> float:
    growth = math.log(large["n_interactions"] / small["n_interactions"])
    return round(math.log(large[step][law] / small[step][law]) / growth, 2)


if __name__ == "__main__":
    main()
    sys.exit(0)
