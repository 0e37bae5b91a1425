"""Requests per CPU-second of the service against a plain FastAPI endpoint, and its other floors.

Servers run the same uvicorn, event loop and parser, on the same model, and the peer once more as a
plain installation of uvicorn runs it; rounds alternate and medians are compared. wrk (`apt-get
install wrk`) asks over loopback. Run: `make bench-service`, with `--project-dir` for a shop of your
own; else a demo shop is made and trained.
"""

import argparse
import json
import os
import platform
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import httpx2
import numpy as np
import psutil

HERE = Path(__file__).resolve().parent
RESULT = HERE / "results" / "service.json"
TOKEN = "a-token-for-the-benchmark-0123456789"
ROUNDS, SECONDS, CONNECTIONS = 5, 3, 8
FLOORS = {
    "recommend_ratio": 6.0,
    "p99_over_p50_at_half_load": 3.0,
    "batch_over_gemm": 2.0,
    "ready_seconds": 3.0,
    "peak_mb": 400.0,
}
DOORS = ("data_refresh", "bert_embeddings", "model_training", "model_deployment")


def make_shop(folder: Path) -> Path:
    from viecomrec.adapters.demo_shop import DemoShopFiles
    from viecomrec.domain.simulation.shop import catalogue_size, simulate_shop
    from viecomrec.paths import ProjectPaths

    paths, n_users, seed = ProjectPaths(folder), 20_000, 7
    n_products = catalogue_size(n_users)
    shop = simulate_shop(n_users, n_products, np.random.default_rng(seed))
    files = DemoShopFiles(
        paths.published_data,
        paths.demo_shop_marker,
        paths.settings_file,
        paths.scheduler_config_file,
    )
    files.write(shop, seed, n_users, n_products)
    for door in DOORS:
        command = [sys.executable, "-m", f"automation.{door}"]
        subprocess.run(command, env=environment(folder), check=True, stdout=subprocess.DEVNULL)
    return folder


def environment(project: Path) -> dict[str, str]:
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    return {
        **os.environ,
        **threads,
        "PROJECT_DIR": str(project),
        "VIECOMREC_ADMIN_TOKEN": TOKEN,
        "PYTHONPATH": os.pathsep.join([str(HERE.parent), str(HERE)]),
    }


@contextmanager
def server(project: Path, *command: str):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    started = time.monotonic()
    process = psutil.Popen(
        [sys.executable, "-m", *command, "--port", str(port)],
        cwd=project,
        env=environment(project),
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    while True:
        try:
            httpx2.get(f"{url}/openapi.json", timeout=5)
            break
        except httpx2.TransportError:
            time.sleep(0.01)
    try:
        yield process, url, time.monotonic() - started
    finally:
        process.terminate()
        process.wait(20)


def ours(project: Path):
    return server(project, "automation.serve")


def plain(project: Path, *flags: str):
    return server(
        project,
        *("uvicorn", "plain_service:create_app", "--factory"),
        *("--log-level", "error", "--no-access-log", *flags),
    )


PLAIN_INSTALLATION = ("--http", "h11", "--loop", "asyncio")
"""What uvicorn runs with where only uvicorn was installed."""


def lua(users: list[str], path: str, wait_ms: float = 0) -> str:
    quoted = ",".join(json.dumps(user) for user in users)
    script = f"""
local users = {{{quoted}}}
local n = 0
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer {TOKEN}"
function request()
  n = n + 1
  local body = '{{"user_id": "' .. users[(n * 7919) % #users + 1] .. '"}}'
  return wrk.format(nil, "{path}", nil, body)
end
"""
    if wait_ms:
        script += f"function delay() return math.random(0, {2 * wait_ms:.0f}) end\n"
    return script


def load(process, url: str, users: list[str], path: str, wait_ms: float = 0) -> dict:
    with tempfile.NamedTemporaryFile("w", suffix=".lua", delete=False) as file:
        file.write(lua(users, path, wait_ms))
    before = sum(process.cpu_times()[:2])
    told = subprocess.run(
        ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "--latency", "-s", file.name, url],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    cpu = sum(process.cpu_times()[:2]) - before
    Path(file.name).unlink()
    if "Non-2xx" in told or "Socket errors" in told:
        raise SystemExit(f"failed requests:\n{told}")
    n_requests = int(re.search(r"(\d+) requests in", told)[1])
    percentiles = dict(re.findall(r"(50|90|99)%\s+([\d.]+[a-z]+)", told))
    return {
        "requests_per_second": n_requests / SECONDS,
        "requests_per_cpu_second": n_requests / cpu,
        "cpu_us": cpu / n_requests * 1e6,
        "p50_ms": milliseconds(percentiles["50"]),
        "p99_ms": milliseconds(percentiles["99"]),
    }


def milliseconds(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", text).groups()
    return float(number) * {"us": 1e-3, "ms": 1.0, "s": 1e3}[unit]


def compare(project: Path, users: list[str]) -> dict:
    rounds: dict[str, list[dict]] = {
        "ours": [],
        "plain": [],
        "plain_in_the_loop": [],
        "plain_h11": [],
    }
    with (
        ours(project) as (own, own_url, _),
        plain(project) as (peer, peer_url, _),
        plain(project, *PLAIN_INSTALLATION) as (slow, slow_url, _),
    ):
        for process, url in ((own, own_url), (peer, peer_url), (slow, slow_url)):
            load(process, url, users, "/recommend")  # warm
        for _ in range(ROUNDS):
            rounds["ours"].append(load(own, own_url, users, "/recommend"))
            rounds["plain"].append(load(peer, peer_url, users, "/recommend"))
            rounds["plain_in_the_loop"].append(load(peer, peer_url, users, "/in_the_loop"))
            rounds["plain_h11"].append(load(slow, slow_url, users, "/recommend"))
        median = {
            name: {key: statistics.median(one[key] for one in found) for key in found[0]}
            for name, found in rounds.items()
        }
        wait_ms = 2000 * CONNECTIONS / median["ours"]["requests_per_second"]
        half = [load(own, own_url, users, "/recommend", wait_ms) for _ in range(ROUNDS)]
        peak = own.memory_info().rss / 1e6
        peer_ms = 2000 * CONNECTIONS / median["plain_in_the_loop"]["requests_per_second"]
        control = [load(peer, peer_url, users, "/in_the_loop", peer_ms) for _ in range(ROUNDS)]
    ratio = {
        name: median["ours"]["requests_per_cpu_second"] / median[name]["requests_per_cpu_second"]
        for name in ("plain", "plain_in_the_loop", "plain_h11")
    }
    return {
        "recommend": median,
        "recommend_ratio": ratio["plain"],
        "recommend_ratio_in_the_loop": ratio["plain_in_the_loop"],
        "recommend_ratio_h11": ratio["plain_h11"],
        "half_load": half,
        "p99_over_p50_at_half_load": statistics.median(
            one["p99_ms"] / one["p50_ms"] for one in half
        ),
        "p99_over_p50_of_plain_in_the_loop_at_half_load": statistics.median(
            one["p99_ms"] / one["p50_ms"] for one in control
        ),
        "peak_mb": peak,
    }


RELOADS, RELOAD_CONNECTIONS, RELOAD_SECONDS, RELOAD_USERS = 4, 32, 12, 300

CHECKED = """
local expected = dofile("%(expected)s")
local users = expected.users
local threads, n = {}, 0
good, failed, mixed = 0, 0, 0
first, second = 0, 0
function setup(thread) table.insert(threads, thread) end
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer %(token)s"
function request()
  n = n + 1
  local body = '{"user_id": "' .. users[(n * 7919) %% #users + 1] .. '"}'
  return wrk.format(nil, "/recommend", nil, body)
end
function response(status, headers, body)
  local user, model = body:match('"user_id":"(.-)","model_id":"(.-)"')
  if status ~= 200 or not model then failed = failed + 1 return end
  local shown = {}
  for product in body:gmatch('"product_id":"(.-)"') do table.insert(shown, product) end
  local wanted = expected.lists[model .. " " .. user]
  if wanted ~= table.concat(shown, " ") then mixed = mixed + 1 return end
  good = good + 1
  if model == expected.first then first = first + 1 else second = second + 1 end
end
function done(summary)
  for _, name in ipairs({"good", "failed", "mixed", "first", "second"}) do
    io.write("COUNT " .. name .. " " .. threads[1]:get(name) .. "\\n")
  end
end
"""


def write_expected(project: Path, file: Path) -> list[str]:
    """What two models answer, from the models themselves, as a table of Lua."""
    os.environ.update(environment(project))
    from viecomrec.bootstrap import open_installation
    from viecomrec.domain.api import RankingRequest
    from viecomrec.domain.ranking_rules import RankingRules
    from viecomrec.service.bundle import empty_fresh_events, load_bundle
    from viecomrec.service.recommender import recommend

    installation = open_installation(project)
    registry = installation.registry.read()
    others = [model_id for model_id in registry.models if model_id != registry.desired]
    models = [others[-1], registry.desired]
    users, lists = [], {}
    for model_id in models:
        fresh = empty_fresh_events(installation)
        bundle = load_bundle(installation, model_id, fresh, RankingRules())
        users = users or list(bundle.user_ids.user_ids[:RELOAD_USERS])
        for user in users:
            answer = json.loads(recommend(bundle, user, RankingRequest()).content)
            shown = " ".join(item["product_id"] for item in answer["items"])
            lists[f"{model_id} {user}"] = shown
    table = ",".join(f"[{json.dumps(key)}]={json.dumps(shown)}" for key, shown in lists.items())
    names = ",".join(map(json.dumps, users))
    file.write_text(f'return {{first="{models[0]}",users={{{names}}},lists={{{table}}}}}')
    return models


def reloads(project: Path, n_workers: int) -> dict:
    """wrk over some connections while two models take turns; every answer is checked."""
    with tempfile.TemporaryDirectory() as folder:
        expected, script = Path(folder) / "expected.lua", Path(folder) / "checked.lua"
        models = write_expected(project, expected)
        script.write_text(CHECKED % {"expected": expected, "token": TOKEN})
        with server(project, "automation.serve", "--workers", str(n_workers)) as (_, url, _):
            wrk = subprocess.Popen(
                [
                    *("wrk", "-t1", f"-c{RELOAD_CONNECTIONS}", f"-d{RELOAD_SECONDS}s"),
                    *("--timeout", "30s", "-s", str(script), url),
                ],
                stdout=subprocess.PIPE,
                text=True,
            )
            seconds = [_reload(url, models[turn % 2]) for turn in range(RELOADS)]
            told = wrk.communicate()[0]
    counts = {name: int(count) for name, count in re.findall(r"COUNT (\w+) (\d+)", told)}
    errors = re.search(r"Socket errors: (.*)", told)
    return {
        "workers": n_workers,
        "connections": RELOAD_CONNECTIONS,
        "reload_seconds": seconds,
        **counts,
        "socket_errors": errors[1] if errors else None,
        "is_clean": counts["failed"] == counts["mixed"] == 0
        and errors is None
        and min(counts["first"], counts["second"]) > 0,
    }


def _reload(url: str, model_id: str) -> float:
    time.sleep(RELOAD_SECONDS / (RELOADS + 2))
    started = time.monotonic()
    headers = {"Authorization": f"Bearer {TOKEN}"}
    body = {"model_id": model_id}
    httpx2.post(f"{url}/reload_model", json=body, headers=headers, timeout=60).raise_for_status()
    return time.monotonic() - started


def starts(project: Path) -> float:
    """Median seconds from the command to the first answer of /ready."""
    seconds = []
    for _ in range(3):
        with ours(project) as (_, url, until_ready):
            httpx2.get(f"{url}/ready").raise_for_status()
            seconds.append(until_ready)
    return statistics.median(seconds)


def batch(project: Path) -> dict:
    """CPU of a batch of 100 users against one product of matrices with top-k, in this process.

    The peer is NumPy's product, the seen products (looked up before) masked, and argpartition; it
    writes no answer. The best of alternating rounds counts: other work on the machine only adds.
    """
    os.environ.update(environment(project))
    from threadpoolctl import threadpool_limits

    from viecomrec.bootstrap import open_installation
    from viecomrec.domain.api import BatchRecommendRequest
    from viecomrec.domain.ranking_rules import RankingRules
    from viecomrec.service.batches import recommend_many
    from viecomrec.service.bundle import empty_fresh_events, load_bundle

    installation = open_installation(project)
    desired = installation.registry.read().desired
    bundle = load_bundle(installation, desired, empty_fresh_events(installation), RankingRules())
    users = list(bundle.user_ids.user_ids[:100])
    request = BatchRecommendRequest(user_ids=users)
    vectors = np.ascontiguousarray(bundle.user_factors[:100])
    # The scores are of variant groups; a history names the products themselves.
    group_of = bundle.shop.catalogue.variant_group
    seen = [group_of[bundle.shop.histories.of(user).items] for user in users]

    def gemm() -> None:
        scores = vectors @ bundle.scorer.item.T
        for row, items in enumerate(seen):
            scores[row, items] = -np.inf
        best = np.argpartition(-scores, 10, axis=1)[:, :10]
        np.take_along_axis(best, np.argsort(-np.take_along_axis(scores, best, 1), axis=1), 1)

    with threadpool_limits(1):
        seconds = {"ours": [], "gemm": []}
        for _ in range(15):
            for name, work in (("ours", lambda: recommend_many(bundle, request)), ("gemm", gemm)):
                started = time.process_time()
                for _ in range(5):
                    work()
                seconds[name].append((time.process_time() - started) / 5)
    best = {name: min(found) * 1e3 for name, found in seconds.items()}
    return {"batch_cpu_ms": best, "batch_over_gemm": best["ours"] / best["gemm"]}


def users_of(project: Path) -> list[str]:
    os.environ["PROJECT_DIR"] = str(project)
    from viecomrec.bootstrap import open_installation

    installation = open_installation(project)
    registry = installation.registry.read()
    return list(installation.models.load(registry.record(registry.desired)).factors.ids.user_ids)[
        :5000
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--project-dir", type=Path, help="a shop with a deployed model")
    parser.add_argument("--only-reloads", action="store_true", help="four reloads under load")
    arguments = parser.parse_args()
    if shutil.which("wrk") is None:
        raise SystemExit("wrk, which asks the questions, is missing: apt-get install wrk")
    load_before = psutil.getloadavg()[0]
    with tempfile.TemporaryDirectory() as temporary:
        project = arguments.project_dir or make_shop(Path(temporary))
        under_reload = [reloads(project, n_workers) for n_workers in (1, 2)]
        if arguments.only_reloads:
            print(json.dumps(under_reload, indent=2))
            return 0 if all(one["is_clean"] for one in under_reload) else 1
        users = users_of(project)
        found = {"ready_seconds": starts(project), **compare(project, users), **batch(project)}
    low = {"recommend_ratio"}
    met = {
        name: found[name] >= floor if name in low else found[name] <= floor
        for name, floor in FLOORS.items()
    }
    met["reloads_under_load"] = all(one["is_clean"] for one in under_reload)
    report = {
        "at_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "load_average_before": load_before,
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("fastapi", "uvicorn", "numpy", "pydantic")},
        },
        "n_users_asked": len(users),
        "floors": FLOORS,
        "met": met,
        "reloads": under_reload,
        **found,
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=2))
    return 0 if all(met.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
