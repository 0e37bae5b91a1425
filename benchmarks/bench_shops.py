"""What the whole loop reaches on two shops: Hasaki, and a set in ViEcomRec's proportions.

Runs the doors (refresh, embeddings, training with --auto-select) in fresh folders and copies from
metrics.json what was measured on held-out events. Needs the real data sets; see CONTRIBUTING.md.
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

REPOSITORY = Path(__file__).resolve().parent.parent
DEFAULT_DATA = REPOSITORY.parent / "shared" / "data"
DATA = Path(os.environ.get("VIECOMREC_SHARED_DATA", DEFAULT_DATA))
MEASURES = ("recall@10", "ndcg@10")


def write_hasaki(project: Path) -> None:
    published = project / "data" / "published_data"
    published.mkdir(parents=True)
    for name in ("reviews.csv.gz", "products.csv.gz"):
        shutil.copy(DATA / "hasaki" / name, published / name)
    (project / "config").mkdir()
    example = REPOSITORY / "config" / "examples" / "data_source.hasaki.json"
    shutil.copy(example, project / "config" / "data_source.json")


def write_viecomrec(project: Path) -> None:
    published = project / "data" / "published_data"
    published.mkdir(parents=True)
    tool = DATA.parent / "tools" / "gen_viecomrec.py"
    catalogue = DATA / "viecomrec_catalogue"
    arguments = ["--out", published, "--scale", "0.05", "--products-dir", catalogue]
    subprocess.run([sys.executable, tool, *arguments], check=True, capture_output=True)


def run_door(module: str, *arguments: str, project: Path) -> None:
    environment = {**os.environ, "PROJECT_DIR": str(project)}
    command = [sys.executable, "-m", f"automation.{module}", *arguments]
    subprocess.run(command, cwd=REPOSITORY, env=environment, check=True, capture_output=True)


def measure(project: Path) -> dict[str, Any]:
    run_door("data_refresh", project=project)
    run_door("bert_embeddings", project=project)
    run_door("model_training", "--auto-select", project=project)
    models = project / "artifacts" / "cf"
    registry = json.loads((models / "registry.json").read_text(encoding="utf-8"))
    record = registry["models"][registry["current_best"]]
    metrics = json.loads((models / record["path"] / "metrics.json").read_text(encoding="utf-8"))
    return {
        "model": record["model_type"],
        "n_test_users": metrics["test"]["n_users"],
        "popularity": _test(metrics["baselines"]["popularity"]),
        "factors": _test(metrics["factors"]),
        "served": _test(metrics),
    }


def _test(metrics: dict[str, Any]) -> dict[str, float]:
    return {measure: round(metrics["test"][measure], 4) for measure in MEASURES}


def main() -> int:
    if not DATA.is_dir():
        print(f"the real data sets are not at {DATA}; set VIECOMREC_SHARED_DATA")
        return 1
    shops: dict[str, Any] = {}
    for name, write in (("hasaki", write_hasaki), ("viecomrec_5_percent", write_viecomrec)):
        with tempfile.TemporaryDirectory() as folder:
            project = Path(folder) / "shop"
            project.mkdir()
            write(project)
            shops[name] = measure(project)
            print(name, json.dumps(shops[name]))
    result = {
        "at_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "test_users_all_products_ranked_seen_masked": shops,
    }
    file = REPOSITORY / "benchmarks" / "results" / "shops.json"
    file.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
