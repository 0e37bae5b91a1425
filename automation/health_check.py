"""python -m automation.health_check [--component NAME] [--json] [--alert]."""

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from automation.door import print_json, run_door

if TYPE_CHECKING:
    from viecomrec.bootstrap import Installation
    from viecomrec.domain.results import PipelineResult

CHOICES = ("all", "service", "data", "models", "pipelines")


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m automation.health_check",
        description="Say what is healthy, what is not, and what to do about it.",
    )
    parser.add_argument("--component", choices=CHOICES, default="all", help="what to check")
    parser.add_argument("--json", action="store_true", help="JSON on a terminal too")
    parser.add_argument("--alert", action="store_true", help="send what is wrong as an alert")
    wants_json = parser.parse_known_args(argv)[0].json
    return run_door(parser, _run, argv, show=_show_json if wants_json else _show)


def _run(arguments: argparse.Namespace) -> "PipelineResult":
    from viecomrec.bootstrap import open_installation
    from viecomrec.pipelines import health_check

    installation = open_installation().patient()
    if arguments.component in {"all", "service"}:
        _watch_deployment(installation)
    tools = installation.health_tools()
    wanted = arguments.component
    components = health_check.COMPONENTS if wanted == "all" else (wanted,)
    return installation.run(
        "health_check",
        lambda: health_check.run(components, tools, alert=arguments.alert),
        vars(arguments),
    )


def _watch_deployment(installation: "Installation") -> None:
    """Every health check looks after a fresh deployment; a run of its own only if it failed."""
    from viecomrec.errors import ServiceError
    from viecomrec.pipelines import model_deployment

    tools = installation.deployment_tools()
    try:
        if model_deployment.needs_taking_back(tools):
            installation.run(
                "model_deployment", lambda: model_deployment.watch(tools), {"watch": True}
            )
    except ServiceError:
        pass  # the health check itself says what is wrong with the service


def _show(result: "PipelineResult") -> None:
    """A table for a person at a terminal, JSON for everybody else."""
    if sys.stdout.isatty() and "components" in result.as_json():
        from automation.health_table import print_report

        print_report(result.as_json())
    else:
        _show_json(result)


def _show_json(result: "PipelineResult") -> None:
    """The guide's object: a run that was skipped or failed says so instead."""
    content = result.as_json()
    if "components" in content:
        content = {key: value for key, value in content.items() if key not in {"status", "run_id"}}
    print_json(content)


if __name__ == "__main__":
    sys.exit(main())
