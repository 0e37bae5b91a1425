"""viecomrec schedule history [JOB] | export --to systemd|crontab|airflow|kubernetes."""

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from automation.door import print_json, run_door

if TYPE_CHECKING:
    from viecomrec.domain.results import PipelineResult


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="viecomrec schedule",
        description="What became of each nominal time, and the jobs for other schedulers.",
    )
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    verb = verbs.add_parser("history", help="why a job ran or did not run")
    verb.add_argument("job", nargs="?", metavar="JOB", help="of this job only")
    verb.add_argument("--days", type=float, default=14, help="how far back (default 14)")
    verb.add_argument("--limit", type=int, default=100, help="at most so many (default 100)")
    verb.add_argument("--json", action="store_true", help="as one JSON object")
    verb = verbs.add_parser("export", help="the same jobs for an existing scheduler")
    verb.add_argument(
        "--to", choices=("systemd", "crontab", "airflow", "kubernetes"), required=True
    )
    verb.add_argument("--image", help="kubernetes: the image that the Dockerfile builds")
    verb.add_argument("--claim", help="kubernetes: the PersistentVolumeClaim with the shop")
    verb.add_argument("--folder", metavar="DIR", help="write files there instead of printing")
    return run_door(parser, _run, argv, show=_show)


def _run(arguments: argparse.Namespace) -> "PipelineResult":
    return _history(arguments) if arguments.verb == "history" else _export(arguments)


def _history(arguments: argparse.Namespace) -> "PipelineResult":
    from datetime import timedelta

    from automation.scheduler_view import render_history
    from viecomrec.bootstrap import open_installation
    from viecomrec.domain.results import PipelineResult, Status
    from viecomrec.pipelines.scheduler_management import history

    tools = open_installation().management_tools()
    since = tools.run_tools.now() - timedelta(days=arguments.days)
    rows = history(tools, arguments.job, since, arguments.limit)
    if arguments.json:
        return PipelineResult(status=Status.SUCCESS, occurrences=rows)
    return PipelineResult(status=Status.SUCCESS, shown=render_history(rows))


def _export(arguments: argparse.Namespace) -> "PipelineResult":
    from pathlib import Path

    from viecomrec.adapters.atomic_files import write_text
    from viecomrec.domain.results import PipelineResult, Status

    files = _exported(arguments)
    if arguments.folder is None:
        parts = [f"# {name}\n{content}" for name, content in files.items()]
        # One file is printed as it is, to be piped.
        text = "\n".join(parts if len(files) > 1 else files.values())
        return PipelineResult(status=Status.SUCCESS, shown=text.rstrip())
    folder = Path(arguments.folder)
    for name, content in files.items():
        write_text(folder / name, content)
    return PipelineResult(status=Status.SUCCESS, files=[str(folder / name) for name in files])


def _exported(arguments: argparse.Namespace) -> dict[str, str]:
    """File name -> content; ConfigurationError for what the other scheduler cannot do."""
    import json

    from viecomrec.bootstrap import open_installation
    from viecomrec.domain import airflow_export, kubernetes_export, schedule_export
    from viecomrec.errors import ConfigurationError

    tools = open_installation().management_tools()
    config, zone, project = tools.config(), tools.run_tools.zone.key, tools.run_tools.project
    if arguments.to == "crontab":
        return {"viecomrec.crontab": schedule_export.crontab(config, zone, sys.executable, project)}
    if arguments.to == "airflow":
        dags = airflow_export.airflow_dags(config, zone, sys.executable, project)
        return {airflow_export.DAG_FILE: dags}
    if arguments.to == "systemd":
        return schedule_export.systemd_units(config, zone, sys.executable, project)
    if not arguments.image or not arguments.claim:
        raise ConfigurationError(
            "--to kubernetes needs --image (what the Dockerfile builds) and --claim (the "
            "PersistentVolumeClaim that holds the shop's folder)."
        )
    cluster = kubernetes_export.Cluster(arguments.image, arguments.claim)
    jobs = kubernetes_export.cron_jobs(config, zone, cluster)
    return {kubernetes_export.MANIFEST_FILE: json.dumps(jobs, indent=2, ensure_ascii=False) + "\n"}


def _show(result: "PipelineResult") -> None:
    content = result.as_json()
    if "shown" in content:
        print(content["shown"], flush=True)
    else:
        print_json(content)


if __name__ == "__main__":
    sys.exit(main())
