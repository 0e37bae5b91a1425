"""Pictures of every page for the README: `make screenshots`, after `make demo`.

The shop is a copy of the demo's, so that the pictures change nothing; a week of the scheduler's
past is made up.
"""

import shutil
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
from playwright.sync_api import Browser, sync_playwright

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "tests"))  # what the tests share is no package

from chromium import find_chromium  # noqa: E402
from console_history import write_history  # noqa: E402
from installation import TOKEN  # noqa: E402
from server import running_service  # noqa: E402

from viecomrec.adapters.demo_shop import REVIEWS  # noqa: E402
from viecomrec.adapters.door_process import DoorProcesses  # noqa: E402
from viecomrec.bootstrap import Installation  # noqa: E402
from viecomrec.paths import ProjectPaths  # noqa: E402
from viecomrec.service.console.frame import HEALTH_LASTS  # noqa: E402
from viecomrec.settings import load_settings  # noqa: E402

DEMO = REPOSITORY / "work" / "demo-shop"
PICTURES = REPOSITORY / "docs" / "img"
WIDTH, HEIGHT, PHONE_WIDTH = 1200, 760, 390
PAGES = {
    "today": "/",
    "jobs": "/jobs",
    "job": "/jobs/data_refresh",
    "runs": "/runs?pipeline=data_refresh",
    "models": "/models",
    "data": "/data",
    "try": "/try?user=1026",
    "alerts": "/alerts",
}
DARK = ("today", "models")
PHONE = ("today", "jobs")
FULL = ("console-today", "console-jobs-phone", "console-data")


def main() -> None:
    if not (DEMO / "artifacts").is_dir():
        sys.exit("There is no demo shop yet. Run: make demo")
    PICTURES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "shop"
        shutil.copytree(DEMO, root, ignore=shutil.ignore_patterns("logs", "workers"))
        installation = prepare(root)
        with running_service(root) as client, sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=find_chromium(), args=["--no-sandbox"]
            )
            url = f"{str(client.base_url).rstrip('/')}/console"
            for name, path in PAGES.items():
                shoot(browser, url, path, f"console-{name}", language="vi")
                shoot(browser, url, path, f"console-{name}-en", language="en")
            for name in DARK:
                shoot(browser, url, PAGES[name], f"console-{name}-dark", theme="dark")
            for name in PHONE:
                shoot(browser, url, PAGES[name], f"console-{name}-phone", width=PHONE_WIDTH)
            leave_a_deployment_unfinished(installation)
            time.sleep(HEALTH_LASTS.total_seconds() + 1)
            shoot(browser, url, "/", "console-today-warning")


def prepare(root: Path) -> Installation:
    """A past, a drift report and two alerts."""
    paths = ProjectPaths(root)
    installation = Installation(paths, load_settings(paths))
    write_history(installation, 30, np.random.default_rng(11))
    doors = DoorProcesses(root, paths.demo_logs)
    doors.run("drift_detection")  # makes the baseline
    sell_for_another_week(paths.published_data / REVIEWS)
    doors.run("data_refresh")
    doors.run("drift_detection")
    nobody = "Nobody answers at http://localhost:8000 (connection refused)."
    installation.alerts.send("model_deployment", "error", nobody)
    installation.alerts.resolve("model_deployment")
    return installation


def leave_a_deployment_unfinished(installation: Installation) -> None:
    registry = installation.registry.read()
    other = next(one for one in registry.models if one != registry.deployed)
    installation.registry.update(lambda registry: registry.desire(other))


def sell_for_another_week(file: Path) -> None:
    """Append a week like the last one, but with more disappointed customers."""
    reviews = pl.read_csv(file, infer_schema=False)
    at = pl.col("cmt_date").str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False)
    week = reviews.filter(at > at.max() - timedelta(days=7))
    spoilt = pl.when(pl.int_range(pl.len()) % 6 == 0).then(pl.lit("2")).otherwise(pl.col("rating"))
    later = (at + timedelta(days=7)).dt.strftime("%Y-%m-%d %H:%M:%S")
    pl.concat(
        [reviews, week.with_columns(spoilt.alias("rating"), later.alias("cmt_date"))]
    ).write_csv(file)


def shoot(
    browser: Browser,
    url: str,
    path: str,
    name: str,
    *,
    language: str = "vi",
    theme: str = "light",
    width: int = WIDTH,
) -> None:
    context = browser.new_context(viewport={"width": width, "height": HEIGHT})
    page = context.new_page()
    page.goto(f"{url}/sign-in")
    page.fill("#token", TOKEN)
    page.click("main button")
    page.wait_for_url(f"{url}/")
    page.goto(f"{url}/preferences?language={language}&theme={theme}&back=/console")
    page.goto(f"{url}{path}")
    page.wait_for_load_state("networkidle" if "log" not in path else "load")
    page.screenshot(path=PICTURES / f"{name}.png", full_page=name.startswith(FULL))
    context.close()


if __name__ == "__main__":
    main()
