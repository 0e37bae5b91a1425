"""viecomrec history [--at TIME] [--limit N]: which model was live when."""

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from automation.door import run_door

if TYPE_CHECKING:
    from viecomrec.domain.results import PipelineResult


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="viecomrec history",
        description="Say which model was live at a time, or list the last deployments.",
    )
    parser.add_argument("--at", metavar="TIME", help="ISO 8601; local time where no offset stands")
    parser.add_argument("--limit", type=int, default=20, help="steps to list (default 20)")
    return run_door(parser, _run, argv)


def _run(arguments: argparse.Namespace) -> "PipelineResult":
    from viecomrec.bootstrap import open_installation
    from viecomrec.pipelines import deployment_history

    installation = open_installation()
    journal = installation.deployment_journal
    if arguments.at is None:
        return deployment_history.list_steps(journal, arguments.limit)
    return deployment_history.tell_live_model(
        journal, arguments.at, installation.zone, installation.now()
    )


if __name__ == "__main__":
    sys.exit(main())
