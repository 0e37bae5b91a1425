"""The benchmark of the service works on a shop whose products have variants."""

import importlib.util
from pathlib import Path

from installation import N_PRODUCTS, write_installation, write_snapshot

FILE = Path(__file__).parents[3] / "benchmarks" / "bench_service.py"


def test_the_peer_of_a_batch_masks_what_was_seen_in_a_shop_with_variants(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("bench_service", FILE)
    bench = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bench)
    installation = write_installation(tmp_path)
    # Scores are of fewer variant groups than there are products: the last one has no column.
    write_snapshot(installation, more_events=[("u0", N_PRODUCTS - 1)])
    for name, value in bench.environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    assert bench.batch(tmp_path)["batch_over_gemm"] > 0
