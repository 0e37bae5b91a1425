"""python -m automation.drift_detection [--update-baseline]."""

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from automation.door import run_door

if TYPE_CHECKING:
    from viecomrec.domain.results import PipelineResult


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m automation.drift_detection",
        description="Compare recent events with the baseline and say what is more than noise.",
    )
    parser.add_argument(
        "--update-baseline", action="store_true", help="make the recent events the baseline"
    )
    return run_door(parser, _run, argv)


def _run(arguments: argparse.Namespace) -> "PipelineResult":
    from viecomrec.bootstrap import open_installation
    from viecomrec.pipelines import drift_detection

    installation = open_installation()
    tools = installation.drift_tools()
    return installation.run(
        "drift_detection",
        lambda: drift_detection.run(tools, update_baseline=arguments.update_baseline),
        vars(arguments),
    )


if __name__ == "__main__":
    sys.exit(main())
