"""ALS through Spark beside our own, on the same snapshot and the same held-out users.

    python benchmarks/bench_spark.py [hasaki] [viecomrec_0.1] [viecomrec_1]

Both go through the door, each with its own search on validation; figures are those of metrics.json
for the recipe that won its search. Needs Java, and the real data sets; see CONTRIBUTING.md.
"""

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench_shops import DATA, REPOSITORY, run_door, write_hasaki

RESULTS = REPOSITORY / "benchmarks" / "results" / "spark.json"
SHOPS = ("hasaki", "viecomrec_0.1", "viecomrec_1")
MEASURES = ("recall@10", "ndcg@10")
SPARK = {"spark": {"master": "local[2]", "driver_memory": "4g"}}
ENGINES = ("embedded", "spark")


def write_shop(shop: str, project: Path) -> None:
    if shop == "hasaki":
        write_hasaki(project)
    else:
        published = project / "data" / "published_data"
        published.mkdir(parents=True)
        (project / "config").mkdir()
        tool = DATA.parent / "tools" / "gen_viecomrec.py"
        scale = ["--scale", shop.removeprefix("viecomrec_")]
        more = ["--out", published, "--products-dir", DATA / "viecomrec_catalogue"]
        subprocess.run([sys.executable, tool, *scale, *more], check=True, capture_output=True)
    settings = project / "config" / "settings.json"
    settings.write_text(json.dumps(SPARK), encoding="utf-8")


def measure(shop: str, folder: Path) -> dict[str, Any]:
    made = folder / ENGINES[0]
    made.mkdir()
    write_shop(shop, made)
    run_door("data_refresh", project=made)
    run_door("bert_embeddings", project=made)
    shutil.copytree(made, folder / ENGINES[1])
    found: dict[str, Any] = {}
    for engine in ENGINES:
        flags = ("--model", "als", "--auto-select", "--engine", engine)
        run_door("model_training", *flags, project=folder / engine)
        found[engine] = tuned_model(folder / engine)
    for what in ("factors", "served"):
        ours, theirs = (found[engine]["test"][what]["ndcg@10"] for engine in ENGINES)
        found[f"ndcg_of_{what}_through_spark_by_ours"] = round(theirs / ours, 3)
    return found


def tuned_model(project: Path) -> dict[str, Any]:
    """The model whose recipe the search found."""
    for folder in sorted((project / "artifacts" / "cf" / "als").iterdir()):
        params = json.loads((folder / "params.json").read_text(encoding="utf-8"))
        if params["recipe"]["name"] == "tuned":
            metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
            parts = {part: summary(metrics, part) for part in ("validation", "test")}
            return {"recipe": params["recipe"], "fits": len(params["tried"]), **parts}
    raise SystemExit(f"{project} has no tuned model")


def summary(metrics: dict[str, Any], part: str) -> dict[str, Any]:
    kinds = {"factors": metrics["factors"][part], "served": metrics[part]}
    figures = {
        kind: {measure: round(one[measure], 4) for measure in MEASURES}
        for kind, one in kinds.items()
    }
    return {"n_users": metrics[part]["n_users"], **figures}


def main() -> int:
    wanted = sys.argv[1:] or list(SHOPS)
    known = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    shops = known.get("shops", {})
    for shop in wanted:
        with tempfile.TemporaryDirectory(dir=os.environ.get("VIECOMREC_BENCH_FOLDER")) as folder:
            shops[shop] = measure(shop, Path(folder))
        print(shop, json.dumps(shops[shop]), flush=True)
        report = {
            "at_utc": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": f"{platform.machine()}, {os.cpu_count()} cores",
            "python": platform.python_version(),
            "shops": shops,
        }
        RESULTS.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
