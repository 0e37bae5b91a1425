"""Door: `viecomrec ingest FILE [--kind review|purchase|cart|view]`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from automation.door import run_door

if TYPE_CHECKING:
    from viecomrec.domain.results import PipelineResult


def main(argv: Sequence[str] | None = None) -> int:
    return run_door(_parser(), _run, argv)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="viecomrec ingest",
        description="Check a CSV or JSON-lines file of events and stage it for the next refresh.",
    )
    parser.add_argument("file", type=Path, help="columns user_id, product_id, at and more")
    parser.add_argument(
        "--kind",
        choices=("review", "purchase", "cart", "view"),
        help="what a row is that names no kind, such as purchase for a file of orders",
    )
    return parser


def _run(arguments: argparse.Namespace) -> "PipelineResult":
    from viecomrec.bootstrap import open_installation
    from viecomrec.domain.events import EventKind
    from viecomrec.pipelines.event_ingest import run

    kind = None if arguments.kind is None else EventKind(arguments.kind)
    return run(arguments.file, kind, open_installation().ingest_tools())


if __name__ == "__main__":
    sys.exit(main())
