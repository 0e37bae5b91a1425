"""python -m automation.scheduler [--check] [start|stop|restart|status|logs|run|enable|disable]."""

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from automation.door import print_json, run_door

if TYPE_CHECKING:
    from viecomrec.domain.results import PipelineResult
    from viecomrec.pipelines.scheduler_management import ManagementTools


def main(argv: Sequence[str] | None = None) -> int:
    parser = _parser()
    return run_door(parser, _run, argv, show=_show)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m automation.scheduler",
        description="Run every job of config/scheduler_config.json on its schedule. "
        "Without a verb the scheduler runs here until it is told to stop.",
    )
    parser.add_argument("--check", action="store_true", help="check the file, show next times")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB")
    for name, text in (("start", "run the scheduler"), ("restart", "stop it and start it again")):
        verb = verbs.add_parser(name, help=text)
        verb.add_argument("--background", action="store_true", help="return once it runs")
    verbs.add_parser("stop", help="ask it to stop, and wait until it did")
    verb = verbs.add_parser("status", help="what runs, what comes next, how it ended last")
    verb.add_argument("--json", action="store_true", help="as one JSON object")
    verb = verbs.add_parser("logs", help="the scheduler's log, or the newest of a task")
    verb.add_argument("--task", metavar="JOB", help="the newest log of this job")
    verb.add_argument("--follow", action="store_true", help="go on until interrupted")
    verb.add_argument("--lines", type=int, default=50, help="how many (default 50)")
    for name, text in (
        ("run", "run a job now and wait for its end"),
        ("enable", "let a job run on its schedule"),
        ("disable", "pause a job: its times are recorded as skipped"),
    ):
        verbs.add_parser(name, help=text).add_argument("job", metavar="JOB")
    return parser


def _run(arguments: argparse.Namespace) -> "PipelineResult":
    from viecomrec.bootstrap import open_installation
    from viecomrec.pipelines import scheduler_management as management

    installation = open_installation()
    is_background = getattr(arguments, "background", False)
    tools = installation.management_tools()
    if arguments.verb == "restart":
        management.stop(tools)
    if not arguments.check and arguments.verb in {None, "start", "restart"} and not is_background:
        return installation.scheduler_process().run()
    answer: dict[str, Callable[[], PipelineResult]] = {
        "start": lambda: management.start_in_background(tools),
        "restart": lambda: management.start_in_background(tools),
        "stop": lambda: management.stop(tools),
        "status": lambda: _status(tools, as_json=arguments.json),
        "logs": lambda: _logs(tools, arguments),
        "run": lambda: management.run_and_wait(tools, arguments.job),
        "enable": lambda: management.set_enabled(tools, arguments.job, enabled=True),
        "disable": lambda: management.set_enabled(tools, arguments.job, enabled=False),
    }
    return _check(tools) if arguments.check else answer[arguments.verb]()


def _check(tools: "ManagementTools") -> "PipelineResult":
    from viecomrec.domain.results import PipelineResult, Status
    from viecomrec.pipelines.scheduler_management import next_times

    jobs = {job.name: next_times(tools, job, 3) for job in tools.config().jobs.values()}
    zone = tools.run_tools.zone.key
    return PipelineResult(status=Status.SUCCESS, timezone=zone, next_runs=jobs)


def _status(tools: "ManagementTools", *, as_json: bool) -> "PipelineResult":
    from automation.scheduler_view import render_status
    from viecomrec.domain.results import PipelineResult, Status
    from viecomrec.pipelines.scheduler_management import status

    content = status(tools)
    if as_json:
        return PipelineResult(status=Status.SUCCESS, **content)
    return PipelineResult(status=Status.SUCCESS, shown=render_status(content))


def _logs(tools: "ManagementTools", arguments: argparse.Namespace) -> "PipelineResult":
    from viecomrec.domain.results import PipelineResult, Status
    from viecomrec.pipelines.scheduler_management import follow, log_file_of, tail

    file = log_file_of(tools, arguments.task)
    lines = tail(file, arguments.lines)
    if arguments.follow:
        print("\n".join(lines), flush=True)
        try:
            for text in follow(file):
                print(text, end="", flush=True)
        except KeyboardInterrupt:
            lines = []
    return PipelineResult(status=Status.SUCCESS, shown="\n".join(lines))


def _show(result: "PipelineResult") -> None:
    """A table or log lines for a person, where the verb has such; else the JSON object."""
    content = result.as_json()
    if "shown" in content:
        print(content["shown"], flush=True)
    else:
        print_json(content)


if __name__ == "__main__":
    sys.exit(main())
