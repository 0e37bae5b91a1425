"""viecomrec backup FILE: the state of this installation in one file, while everything runs."""

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
        prog="viecomrec backup",
        description="Save data, models, configuration and records into one zip file. "
        "It holds customers' events and alert addresses: keep it like a secret.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="the zip file to write")
    return run_door(parser, _run, argv)


def _run(arguments: argparse.Namespace) -> "PipelineResult":
    from viecomrec.bootstrap import open_installation
    from viecomrec.pipelines import backup

    return backup.save(arguments.file.resolve(), open_installation().backup_tools())


if __name__ == "__main__":
    sys.exit(main())
