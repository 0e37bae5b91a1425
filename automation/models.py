"""viecomrec models fetch|status: the language models that texts are read with."""

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from automation.door import run_door

if TYPE_CHECKING:
    from viecomrec.domain.results import PipelineResult


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="viecomrec models",
        description="Fetch the published language models, or say which are used and why.",
    )
    parser.add_argument(
        "action",
        choices=("fetch", "status"),
        help="fetch: download and verify what is missing; status: list what is here",
    )
    return run_door(parser, _run, argv)


def _run(arguments: argparse.Namespace) -> "PipelineResult":
    from viecomrec.bootstrap import open_installation
    from viecomrec.pipelines import language_models

    tools = open_installation().model_tools()
    if arguments.action == "fetch":
        return language_models.fetch(tools)
    return language_models.status(tools)


if __name__ == "__main__":
    sys.exit(main())
