"""python -m automation.cleanup [--type logs|checkpoints|models|all] [--dry-run]."""

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from automation.door import run_door

if TYPE_CHECKING:
    from viecomrec.domain.results import PipelineResult

CHOICES = ("logs", "checkpoints", "models", "all")


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m automation.cleanup",
        description="Delete what is old and referenced by nothing.",
    )
    parser.add_argument("--type", choices=CHOICES, default="all", help="what to clean up")
    parser.add_argument("--dry-run", action="store_true", help="show it, delete nothing")
    return run_door(parser, _run, argv)


def _run(arguments: argparse.Namespace) -> "PipelineResult":
    from viecomrec.bootstrap import open_installation
    from viecomrec.pipelines import cleanup

    installation = open_installation()
    tools = installation.cleanup_tools()
    if arguments.dry_run:
        return cleanup.run(arguments.type, tools, dry_run=True)
    return installation.run(
        "cleanup", lambda: cleanup.run(arguments.type, tools, dry_run=False), vars(arguments)
    )


if __name__ == "__main__":
    sys.exit(main())
