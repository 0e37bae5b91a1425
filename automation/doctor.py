"""viecomrec doctor [--json] [--repair WHAT]: the state of an installation on one page."""

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from automation.door import print_json, run_door

if TYPE_CHECKING:
    from viecomrec.domain.results import PipelineResult


REPAIRS = ("views", "dead-runs", "dead-locks", "alerts")
"""The views for people, runs whose process is gone, their lock files, undelivered messages."""


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="viecomrec doctor",
        description="Explain the state of this installation. Repairs only what it is told to.",
    )
    parser.add_argument("--repair", choices=REPAIRS, help="repair this, and nothing else")
    parser.add_argument("--json", action="store_true", help="JSON on a terminal too")
    arguments = parser.parse_args(argv)
    wants_json = arguments.json or arguments.repair is not None
    return run_door(parser, _run, argv, show=_show_json if wants_json else _show)


def _run(arguments: argparse.Namespace) -> "PipelineResult":
    from viecomrec.bootstrap import open_installation
    from viecomrec.pipelines import doctor

    tools = open_installation().patient().doctor_tools()
    if arguments.repair is not None:
        return doctor.repair(arguments.repair, tools)
    return doctor.run(tools)


def _show_json(result: "PipelineResult") -> None:
    print_json(result.as_json())


def _show(result: "PipelineResult") -> None:
    if not sys.stdout.isatty():
        _show_json(result)
        return
    from automation.doctor_page import print_page

    print_page(result.as_json())


if __name__ == "__main__":
    sys.exit(main())
