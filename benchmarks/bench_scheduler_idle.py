"""What a scheduler costs while nothing is due: memory and CPU over a minute or more.

`python benchmarks/bench_scheduler_idle.py [SECONDS]`; writes results/scheduler_idle.json. The
shipped jobs are configured; none of them is due in the measured time but, at worst, an hourly
health check, which is disabled here.
"""

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil

REPOSITORY = Path(__file__).resolve().parent.parent
RESULT = REPOSITORY / "benchmarks" / "results" / "scheduler_idle.json"
WARM_UP_SECONDS = 10


def write_project(root):
    content = json.loads((REPOSITORY / "config" / "scheduler_config.json").read_text("utf-8"))
    content["jobs"]["health_check"]["enabled"] = False
    files = {
        "config/scheduler_config.json": content,
        "artifacts/cf/registry.json": {"models": {"one": {}}},
    }
    for name, value in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(json.dumps(value), "utf-8")


def measure(root, seconds):
    environment = {**os.environ, "PROJECT_DIR": str(root), "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-m", "automation.scheduler"]
    with (root / "output").open("wb") as output:
        process = subprocess.Popen(
            command, cwd=root, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        watched = psutil.Process(process.pid)
        time.sleep(WARM_UP_SECONDS)
        before = watched.cpu_times()
        time.sleep(seconds)
        after, memory = watched.cpu_times(), watched.memory_full_info()
    finally:
        process.terminate()
        process.wait(60)
    cpu = (after.user + after.system) - (before.user + before.system)
    return {
        "seconds": seconds,
        "cpu_seconds": round(cpu, 3),
        "cpu_percent": round(100 * cpu / seconds, 3),
        "rss_mib": round(memory.rss / 2**20, 1),
        "uss_mib": round(memory.uss / 2**20, 1),
        "limits": {"cpu_percent": 0.5, "rss_mib": 60},
    }


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 120.0
    with tempfile.TemporaryDirectory() as folder:
        write_project(Path(folder))
        result = measure(Path(folder), seconds)
    report = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "apscheduler": version("apscheduler"),
        "sqlalchemy": version("sqlalchemy"),
        **result,
    }
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
