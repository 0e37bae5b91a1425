"""python -m automation.data_refresh [--force|--force-full] [--dry-run] [--engine E] ..."""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from automation.door import ENGINES, run_door

if TYPE_CHECKING:
    from viecomrec.domain.results import PipelineResult


def main(argv: Sequence[str] | None = None) -> int:
    return run_door(_parser(), _run, argv)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m automation.data_refresh",
        description="Turn the shop's files and new events into the next data snapshot.",
    )
    parser.add_argument("--force", action="store_true", help="refresh even without new data")
    parser.add_argument("--force-full", action="store_true", help="rebuild everything")
    parser.add_argument("--dry-run", action="store_true", help="show the plan, change nothing")
    parser.add_argument("--skip-merge", action="store_true", help="leave staged events alone")
    parser.add_argument(
        "--engine",
        choices=ENGINES,
        default=ENGINES[0],
        help="who works on the rows of a full refresh, comment scoring included",
    )
    return parser


def _run(arguments: argparse.Namespace) -> "PipelineResult":
    from viecomrec.adapters.memory import return_memory_soon

    return_memory_soon(os.environ)  # before anything imports Polars
    from viecomrec.bootstrap import open_installation
    from viecomrec.pipelines.data_refresh import RefreshRequest, run

    installation = open_installation()
    flags = {name: value for name, value in vars(arguments).items() if name != "engine"}
    request = RefreshRequest(**flags)
    tools = installation.refresh_tools(arguments.engine)
    # A dry run changes no byte, so it takes no lock and leaves no record.
    if request.dry_run:
        return run(request, tools)
    return installation.run("data_refresh", lambda: run(request, tools), vars(arguments))


if __name__ == "__main__":
    sys.exit(main())
