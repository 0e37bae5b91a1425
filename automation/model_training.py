"""python -m automation.model_training [--model als|bpr|both] [--auto-select] [--warmstart] ..."""

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from automation.door import ENGINES, run_door

if TYPE_CHECKING:
    from viecomrec.domain.results import PipelineResult


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m automation.model_training",
        description="Train on the current snapshot, measure, register, and choose the best model.",
    )
    parser.add_argument(
        "--model",
        choices=["als", "bpr", "both"],
        default="both",
        help="which model to train (default: both)",
    )
    parser.add_argument(
        "--auto-select", action="store_true", help="make the best model current_best"
    )
    parser.add_argument("--warmstart", action="store_true", help="start from the previous model")
    parser.add_argument("--skip-eval", action="store_true", help="register without measuring")
    parser.add_argument("--force", action="store_true", help="train even without new data")
    parser.add_argument(
        "--engine", choices=ENGINES, default=ENGINES[0], help="who solves ALS (spark: ALS only)"
    )
    return run_door(parser, _run, argv)


def _run(arguments: argparse.Namespace) -> "PipelineResult":
    from viecomrec.bootstrap import open_installation
    from viecomrec.pipelines import model_training
    from viecomrec.pipelines.training_parts import TrainingRequest

    request = TrainingRequest(**vars(arguments))
    request.check()
    installation = open_installation()
    tools = installation.training_tools(arguments.engine)
    return installation.run(
        "model_training", lambda: model_training.run(request, tools), vars(arguments)
    )


def __getattr__(name: str) -> Any:
    """`from automation.model_training import TRAINING_CONFIG`, read when it is asked for."""
    if name == "TRAINING_CONFIG":
        from viecomrec.settings import TRAINING_CONFIG

        return TRAINING_CONFIG
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


if __name__ == "__main__":
    sys.exit(main())
