"""The small edition of `make soak`, in a process of its own."""

import json
import os
import subprocess
import sys


def test_ten_kills_of_the_scheduler_lose_and_double_no_occurrence(repository):
    done = subprocess.run(
        [sys.executable, str(repository / "tests" / "soak.py"), "10", "7"],
        env={**os.environ, "PYTHONPATH": str(repository)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["states"]["ran"] > 0
