"""python -m automation.model_deployment [--model-id ID] [--rollback] [--dry-run]."""

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from automation.door import run_door

if TYPE_CHECKING:
    from viecomrec.domain.results import PipelineResult


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m automation.model_deployment",
        description="Deploy the best model, verify it through the service, or roll back.",
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--model-id", metavar="ID", help="deploy this registered model")
    which.add_argument("--rollback", action="store_true", help="return to the previous model")
    parser.add_argument("--dry-run", action="store_true", help="show the plan, change nothing")
    return run_door(parser, _run, argv)


def _run(arguments: argparse.Namespace) -> "PipelineResult":
    from viecomrec.bootstrap import open_installation
    from viecomrec.pipelines import model_deployment

    installation = open_installation()
    request = model_deployment.DeploymentRequest(
        arguments.model_id, rollback=arguments.rollback, dry_run=arguments.dry_run
    )
    tools = installation.deployment_tools()
    if request.dry_run:
        return model_deployment.run(request, tools)
    return installation.run(
        "model_deployment", lambda: model_deployment.run(request, tools), vars(arguments)
    )


if __name__ == "__main__":
    sys.exit(main())
