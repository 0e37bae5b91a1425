"""What every door does: one JSON object on standard output, logs on standard error, exit code.

Only light modules are imported at the top, so that `--help` answers at once.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from viecomrec.domain.results import PipelineResult


JOBS = (
    "data_refresh",
    "bert_embeddings",
    "model_training",
    "model_deployment",
    "drift_detection",
    "health_check",
    "cleanup",
)
"""The doors that a scheduler triggers: they take --occurrence."""


ENGINES = ("embedded", "spark")
"""Who does the heavy work: this process, or an existing engine."""


def run_door(
    parser: argparse.ArgumentParser,
    run: Callable[[argparse.Namespace], "PipelineResult"],
    argv: Sequence[str] | None = None,
    show: Callable[["PipelineResult"], None] | None = None,
) -> int:
    """Parse the flags, run, print the result and return the exit code.

    argparse itself exits 2 on wrong arguments. `show`, where given, prints for a person
    instead of the JSON object.
    """
    job = _job_of(run)
    if job is not None:
        parser.add_argument(
            "--occurrence",
            metavar="UTC",
            help="do the work of this nominal time once, whoever asks; or: latest",
        )
        parser.add_argument(
            "--as-configured",
            action="store_true",
            help="with --occurrence: wait for the jobs of `after`, and retry, as configured",
        )
    arguments = parser.parse_args(argv)
    occurrence: str | None = vars(arguments).pop("occurrence", None)
    as_configured: bool = vars(arguments).pop("as_configured", False)
    _import_structlog_alone()
    import structlog

    from viecomrec.errors import VieComRecError, disk_full

    _configure_output()
    try:
        if job is None or occurrence is None or getattr(arguments, "dry_run", False):
            result = run(arguments)
        else:
            from viecomrec.bootstrap import open_installation

            result = open_installation().run_occurrence(
                job, occurrence, lambda: run(arguments), as_configured=as_configured
            )
    except VieComRecError as error:
        print_json({"status": "failed", "message": str(error)})
        return error.exit_code
    except Exception as error:  # noqa: BLE001 - the outermost edge of the process
        if full := disk_full(error):
            print_json({"status": "failed", "message": full})
            return 1
        # A defect: the trace goes to the log, the caller still gets one JSON object.
        structlog.get_logger().exception("unexpected error")
        print_json({"status": "failed", "message": f"{type(error).__name__}: {error}"})
        return 1
    if show is None:
        print_json(result.as_json())
    else:
        show(result)
    return result.exit_code


def _job_of(run: Callable[[argparse.Namespace], "PipelineResult"]) -> str | None:
    """The job that a door does, by the name of its module."""
    module = run.__module__
    if module == "__main__":
        spec = sys.modules["__main__"].__spec__
        module = spec.name if spec is not None else ""
    name = module.rpartition(".")[2]
    return name if name in JOBS else None


def print_json(value: dict[str, Any]) -> None:
    print(json.dumps(value, ensure_ascii=False, allow_nan=False), flush=True)


def _import_structlog_alone() -> None:
    """Import it as where rich is not installed, which it wants for traces that no door prints.

    The scheduler, which lives for months, needs 4 MiB less for it.
    """
    if "structlog" in sys.modules or "rich" in sys.modules:
        return
    sys.modules["rich"] = None  # type: ignore[assignment]  # what import takes for "not there"
    try:
        import structlog  # noqa: F401 - for its place in sys.modules
    finally:
        del sys.modules["rich"]


def _configure_output() -> None:
    """UTF-8 everywhere, on Windows consoles too; logs never touch standard output."""
    import structlog

    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(encoding="utf-8", errors="backslashreplace")
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=False),
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(),
                # The rich one prints local variables, settings with the admin token among them.
                exception_formatter=structlog.dev.plain_traceback,
            ),
        ],
        # Asked for at each line, since the stream may have been replaced meanwhile.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )
