"""python -m automation.leased_supervisor FOLDER: the process beside a job, among several hosts.

Started by the scheduler where `DATABASE_URL` is set; not for people.
"""

import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    from viecomrec.adapters.job_supervisor import main as supervise
    from viecomrec.bootstrap import open_installation

    return supervise(argv, open_installation().run_keeper())


if __name__ == "__main__":
    sys.exit(main())
