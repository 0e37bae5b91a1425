"""viecomrec restore FILE [--replace]: bring a backup back into this project."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from automation.door import run_door

if TYPE_CHECKING:
    from viecomrec.domain.results import PipelineResult


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="viecomrec restore",
        description="Check a backup as a whole, then put it in place of what stands here.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="a file of viecomrec backup")
    parser.add_argument(
        "--replace", action="store_true", help="move an installation that stands here aside"
    )
    return run_door(parser, _run, argv)


def _run(arguments: argparse.Namespace) -> "PipelineResult":
    from viecomrec.bootstrap import open_installation
    from viecomrec.pipelines import backup

    tools = open_installation().backup_tools()
    return backup.restore(arguments.file.resolve(), tools, replace=arguments.replace)


if __name__ == "__main__":
    sys.exit(main())
