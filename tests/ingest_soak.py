"""Kill -9 of the service while events come in: no acknowledged event may be lost.

`PYTHONPATH=. python tests/ingest_soak.py 10000 20` is the long round; a short one is a test.
"""

import itertools
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import numpy as np
from installation import write_installation
from server import AUTHORISED, free_port, start_service

from viecomrec.adapters.staging import StagingLog

N_CLIENTS = 8


@dataclass
class Shop:
    """Clients of one service that is killed again and again under their hands."""

    url: str
    sent: itertools.count = field(default_factory=itertools.count)
    acknowledged: set[str] = field(default_factory=set)
    n_failed: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def post_until(self, stop: threading.Event) -> None:
        with httpx2.Client(base_url=self.url, headers=AUTHORISED, timeout=10) as client:
            while not stop.is_set():
                event_id = f"event-{next(self.sent)}"
                event = {"event_id": event_id, "user_id": "u0", "product_id": "p2"}
                try:
                    answer = client.post("/ingest/view", json=event)
                except httpx2.TransportError:
                    self.n_failed += 1
                    time.sleep(0.02)
                    continue
                if answer.status_code == 200:
                    with self.lock:
                        self.acknowledged.add(event_id)


def soak(root: Path, n_events: int, n_kills: int, seed: int = 0) -> dict[str, int]:
    """Post until `n_events` are acknowledged and `n_kills` kills have happened; what was lost."""
    write_installation(root)
    rng = np.random.default_rng(seed)
    port = free_port()
    process, url = start_service(root, port=port)
    shop, stop = Shop(url), threading.Event()
    n_killed = 0
    with ThreadPoolExecutor(N_CLIENTS) as pool:
        clients = [pool.submit(shop.post_until, stop) for _ in range(N_CLIENTS)]
        try:
            while n_killed < n_kills or len(shop.acknowledged) < n_events:
                time.sleep(rng.uniform(0.05, 0.8))
                if n_killed < n_kills:
                    process.kill()
                    process.wait()
                    n_killed += 1
                    process, _ = start_service(root, port=port)
        finally:
            stop.set()
            process.kill()
            process.wait()
        for client in clients:
            client.result()
    on_disk = {event.event_id for event in StagingLog(root / "data" / "staging").pending()}
    return {
        "acknowledged": len(shop.acknowledged),
        "kills": n_killed,
        "failed_requests": shop.n_failed,
        "lost": len(shop.acknowledged - on_disk),
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        found = soak(Path(folder), int(sys.argv[1]), int(sys.argv[2]))
    print(found)  # noqa: T201 - a report
    sys.exit(1 if found["lost"] else 0)
