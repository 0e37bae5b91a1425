"""viecomrec pin MODEL_ID [--remove]: keep a model whatever cleanup deletes."""

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from automation.door import run_door

if TYPE_CHECKING:
    from viecomrec.domain.results import PipelineResult


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="viecomrec pin", description="Keep a model, however old it grows."
    )
    parser.add_argument("model_id", metavar="MODEL_ID", help="a registered model")
    parser.add_argument("--remove", action="store_true", help="let it go like any other")
    return run_door(parser, _run, argv)


def _run(arguments: argparse.Namespace) -> "PipelineResult":
    from viecomrec.bootstrap import open_installation
    from viecomrec.pipelines import model_pins

    return model_pins.run(open_installation().registry, arguments.model_id, remove=arguments.remove)


if __name__ == "__main__":
    sys.exit(main())
