"""A scheduler whose jobs are small Python texts: the first argument of each job.

`python tests/scheduler_driver.py [SPEED ORIGIN]`: with a speed the clock starts at ORIGIN
(seconds since 1970, real time) and runs SPEED times as fast, so that minutes pass in a second
and a restarted scheduler goes on in the same time.
"""

import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from viecomrec.bootstrap import open_installation

FAST_BEGINNING = datetime(2026, 3, 7, 0, 0, 30, tzinfo=UTC)


def fast_clock(speed, origin):
    return lambda: FAST_BEGINNING + timedelta(seconds=(time.time() - origin) * speed)


def main():
    installation = open_installation()
    if len(sys.argv) > 1:
        clock = fast_clock(float(sys.argv[1]), float(sys.argv[2]))
        installation = replace(installation, now=clock)
    process = installation.scheduler_process(lambda job: [sys.executable, "-c", *job.args])
    result = process.run()
    sys.stdout.write(f"{result.message}\n")
    return result.exit_code


if __name__ == "__main__":
    sys.exit(main())
